#include "checkers/events/rows.h"

#include <algorithm>
#include <cctype>

namespace gameday::reading {
namespace {

constexpr std::string_view kLogger = "jepsen.util";

bool is_separator(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == '\f'; }

// What comes after blanks and EDN's comments.
std::string_view after_blanks(std::string_view t) {
  for (;;) {
    while (!t.empty() && is_separator(t[0])) t.remove_prefix(1);
    if (t.empty() || t[0] != ';') return t;
    t.remove_prefix(std::min(t.find('\n'), t.size()));
  }
}

bool is_json_map(std::string_view t) {  // t: behind the brace
  t = after_blanks(t);
  if (t.empty() || t[0] == '}') return true;
  if (t[0] != '"') return false;
  std::size_t i = 1;
  while (i < t.size() && t[i] != '"') i += t[i] == '\\' ? 2 : 1;
  t = after_blanks(t.substr(std::min(i + 1, t.size())));
  return t.empty() || t[0] == ':';
}

// Porcupine's logs of a key-value store: the key of an op is a key of its map.
bool is_kv_map(std::string_view t) {
  t = t.substr(0, std::min(t.find('}'), t.size()));
  return t.find(":key ") != t.npos &&
         (t.find(":f :get") != t.npos || t.find(":f :put") != t.npos || t.find(":f :append") != t.npos);
}

// Its mark, or the zero that every other byte of its ASCII is.
bool is_utf16(std::string_view t) {
  return t.starts_with("\xff\xfe") || t.starts_with("\xfe\xff") ||
         (t.size() > 1 && (t[0] == 0) != (t[1] == 0));
}

bool is_text_row(std::string_view line) {
  std::size_t i = line.starts_with(':') ? 1 : 0;
  while (i < line.size() && !is_separator(line[i])) ++i;
  while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) ++i;
  line.remove_prefix(i);
  return line.starts_with(":invoke") || line.starts_with(":ok") || line.starts_with(":fail") ||
         line.starts_with(":info");
}

}  // namespace

Result<Format> sniff(std::string_view text) {
  if (is_utf16(text)) return fail("text in UTF-8, not in UTF-16");
  const bool edn_only = !text.empty() && after_blanks(text).data() != text.data() &&
                        text.substr(0, static_cast<std::size_t>(after_blanks(text).data() - text.data()))
                                .find_first_of(";,") != text.npos;
  const std::string_view t = after_blanks(text);
  if (t.empty()) return Format::edn;
  const std::string_view line = t.substr(0, std::min(t.find('\n'), t.size()));
  if (line.find(kLogger) != line.npos) return Format::etcd;
  if (t[0] == '{')
    return is_kv_map(t) ? Format::kv : !edn_only && is_json_map(t.substr(1)) ? Format::jsonl : Format::edn;
  if (t[0] == '(' || t[0] == '#') return Format::edn;
  if (t[0] == '[') {
    const std::string_view inner = after_blanks(t.substr(1));
    const bool json = inner.empty() || inner[0] == ']' ||
                      (inner[0] == '{' && is_json_map(inner.substr(1)));
    return json && !edn_only ? Format::json : Format::edn;
  }
  if (is_text_row(line)) return Format::text;
  if (is_awdit(text)) return Format::awdit;
  // A log that begins with something else than an operation.
  const bool word = std::isalnum(static_cast<unsigned char>(t[0])) != 0;
  if (word && text.substr(0, 1 << 16).find(kLogger) != text.npos) return Format::etcd;
  return fail("a history: op maps of EDN or JSON, lines of process, type, f and value, "
              "or transactions of AWDIT");
}

RowReader::RowReader(Format format, Events& rows, Values::Writer& writer) : format_(format) {
  if (format == Format::json || format == Format::jsonl) {
    scanner_ = std::make_unique<JsonScanner>(rows, writer);
  } else {
    auto scanner = std::make_unique<EdnScanner>(rows, writer);
    edn_ = scanner.get();
    scanner_ = std::move(scanner);
  }
  scanner_->take_keys(format == Format::kv);
}

void RowReader::start(std::string_view text, bool last, const Collection& collection) {
  scanner_->start(text.data(), text.data() + text.size());
  collection_ = collection;
  last_ = last;
  begin_ = rest_ = text.data();
  completion_.reset();
}

RowReader::Next RowReader::failed() {
  // Near the end a token may be cut, and so may what is told of the place: kFoundLength.
  const char* const end = scanner_->end();
  const bool cut = end - fault().at <= kFoundLength || end - scanner_->at() <= 1;
  return cut && !last_ ? Next::more : Next::wrong;
}

RowReader::Next RowReader::next(Events::Row& row) {
  if (format_ == Format::text || format_ == Format::etcd) return next_line(row);
  if (format_ == Format::awdit) return next_transaction(row);
  const char* const rest = rest_;
  const Collection before = collection_;
  const Next got = next_op(row);
  if (got != Next::end || last_ || edn_ == nullptr || !edn_->cut()) return got;
  rest_ = rest;
  collection_ = before;
  return Next::more;
}

RowReader::Next RowReader::next_op(Events::Row& row) {
  using State = Collection::State;
  Scanner& s = *scanner_;
  if (!s.skip()) return failed();
  begin_ = s.at();
  if (collection_.state == State::before && !s.at_end()) {
    const char c = *s.at();
    if (c == '[' || (c == '(' && edn_ != nullptr)) {
      collection_ = {State::first, c == '[' ? ']' : ')'};
      s.move_to(s.at() + 1);
      if (!s.skip()) return failed();
    } else if (format_ == Format::json) {
      s.wrong(s.at(), "an array of ops");
      return Next::wrong;
    } else {
      collection_.state = State::none;
    }
  }
  if (collection_.state == State::after && !s.at_end()) {
    s.wrong(s.at(), "nothing behind the end of the history");
    return Next::wrong;
  }
  if (collection_.close != 0 && collection_.state != State::after)
    if (const auto next = between_items()) return *next;
  begin_ = rest_ = s.at();
  if (s.at_end()) return Next::end;
  if (!s.op(row)) return failed();
  rest_ = s.at();
  if (collection_.close != 0) collection_.state = State::item;
  return Next::row;
}

// In a collection: the comma of JSON before the next op, or the collection's end.
std::optional<RowReader::Next> RowReader::between_items() {
  using State = Collection::State;
  Scanner& s = *scanner_;
  const bool json = edn_ == nullptr;
  rest_ = s.at();
  if (json && collection_.state == State::item && !s.at_end() && *s.at() == ',') {
    s.move_to(s.at() + 1);
    s.skip();
    collection_.state = State::comma;
    rest_ = s.at();
  }
  if (s.at_end()) {
    if (!last_) return Next::end;
    s.wrong(s.at(), collection_.state == State::item && json ? "a comma or ']'"
                    : json                                   ? "an op: an object"
                                                             : "an op or the end of the collection of ops");
    return Next::wrong;
  }
  if (*s.at() == collection_.close && collection_.state != State::comma) {
    s.move_to(s.at() + 1);
    collection_.state = State::after;
    if (!s.skip()) return failed();
    rest_ = s.at();
    if (s.at_end()) return Next::end;
    s.wrong(s.at(), "nothing behind the end of the history");
    return Next::wrong;
  }
  if (json && collection_.state == State::item) {
    s.wrong(s.at(), "a comma or ']'");
    return Next::wrong;
  }
  return std::nullopt;
}

RowReader::Next RowReader::next_line(Events::Row& row) {
  Scanner& s = *scanner_;
  for (;;) {
    const char* p = s.at();
    while (p != s.end() && is_separator(*p)) ++p;
    begin_ = rest_ = p;
    s.move_to(p);
    if (p == s.end()) return Next::end;
    const char* const line_end = std::find(p, s.end(), '\n');
    if (line_end == s.end() && !last_) return Next::more;
    std::string_view line(p, static_cast<std::size_t>(line_end - p));
    if (const auto logger = line.find(kLogger); logger != line.npos && format_ == Format::etcd) {
      line.remove_prefix(logger + kLogger.size());
      while (!line.empty() && (is_separator(line[0]) || line[0] == '-')) line.remove_prefix(1);
    } else if (format_ == Format::etcd) {
      line = {};
    }
    if (format_ == Format::etcd && !is_text_row(line)) {  // another line of the log
      s.move_to(line_end);
      continue;
    }
    s.move_to(line.data());
    if (!edn_->text_op(row)) return failed();
    if (format_ == Format::etcd && row.process >= 0 && row.type != OpType::invoke &&
        row.value.kind() == Value::Kind::keyword) {
      // ":info :write :timed-out": where the value would stand is the error.
      const Value key = s.writer().keyword("error");
      row.extra = s.writer().collection(Value::Kind::map, std::array{key, row.value});
      row.value = {};
    }
    rest_ = s.at();
    return Next::row;
  }
}

}  // namespace gameday::reading
