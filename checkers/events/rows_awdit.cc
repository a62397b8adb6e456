// AWDIT's histories (Møldrup, Pavlogiannis: AWDIT, PLDI 2025): "w KEY VALUE" and "r KEY VALUE", a line
// of '-' between transactions and one of '=' between sessions. Every transaction becomes an invocation
// and its completion, with the same micro-operations; the process is the number of the session from 0.
// Sessions come one after another, as in the file: who overlapped whom is not known.
#include <algorithm>

#include "checkers/events/rows.h"
#include "checkers/events/scan.h"

namespace gameday::reading {
namespace {


const char* behind_blanks(const char* p, const char* end) {
  while (p != end && is_blank(*p)) ++p;
  return p;
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  return line;
}

bool is_separator(std::string_view line) {
  line = trimmed(line);
  return !line.empty() && (line[0] == '-' || line[0] == '=') && line.find_first_not_of(line[0]) == line.npos;
}

// Behind the number at p, which the line's end or a blank ends; nullptr: there is none.
const char* behind_number(const char* p, const char* line_end) {
  const char* const begin = p;
  while (p != line_end && is_digit(*p)) ++p;
  return p != begin && (p == line_end || is_blank(*p)) ? p : nullptr;
}

}  // namespace

bool is_awdit(std::string_view text) {
  for (std::string_view line;; text.remove_prefix(std::min(text.size(), line.size() + 1))) {
    if (text.empty()) return false;
    line = text.substr(0, std::min(text.find('\n'), text.size()));
    if (!trimmed(line).empty() && !is_separator(line)) break;
  }
  const char* const end = text.data() + std::min(text.find('\n'), text.size());
  const char* p = behind_blanks(text.data(), end);
  if (p == end || (*p != 'r' && *p != 'w') || ++p == end || !is_blank(*p)) return false;
  return behind_number(behind_blanks(p, end), end) != nullptr;
}

// The micro-operation that begins at p.
bool RowReader::micro_op(const char* p, const char* line_end) {
  Scanner& s = *scanner_;
  const char* const kind = p;
  if ((*p != 'r' && *p != 'w') || ++p == line_end || !is_blank(*p))
    return s.wrong(kind, "r or w with a key and a value, or a line of '-' or '='");
  Value numbers[2];
  for (Value& number : numbers) {
    p = behind_blanks(p, line_end);
    const char* const end = behind_number(p, line_end);
    if (end == nullptr) return s.wrong(p, &number == numbers ? "a key: a number" : "a value: a number");
    s.move_to(p);
    if (!s.value(number)) return false;
    p = end;
  }
  p = behind_blanks(p, line_end);
  if (p != line_end) return s.wrong(p, "nothing behind the value");
  Values::Writer& writer = s.writer();
  micro_ops_.push_back(writer.vector({writer.keyword({kind, 1}), numbers[0], numbers[1]}));
  return true;
}

RowReader::Next RowReader::next_transaction(Events::Row& row) {
  if (completion_) {
    row = *completion_;
    completion_.reset();
    return Next::row;
  }
  Scanner& s = *scanner_;
  micro_ops_.clear();
  for (const char* p = s.at();;) {
    while (p != s.end() && (is_blank(*p) || *p == '\n')) ++p;
    const char* const line_end = std::find(p, s.end(), '\n');
    if (line_end == s.end() && !last_) return Next::more;
    const std::string_view line(p, static_cast<std::size_t>(line_end - p));
    if (line.empty() || is_separator(line)) {
      if (!micro_ops_.empty() || line.empty()) {
        s.move_to(p);
        break;
      }
      if (line[0] == '=' && collection_.session_begun) {
        ++collection_.session;
        collection_.session_begun = false;
      }
      rest_ = line_end;
    } else {
      if (micro_ops_.empty()) begin_ = p;
      if (!micro_op(p, line_end)) return Next::wrong;
    }
    p = line_end;
  }
  rest_ = s.at();
  if (micro_ops_.empty()) return Next::end;
  collection_.session_begun = true;
  row = {};
  row.type = OpType::invoke;
  row.process = collection_.session;
  row.f = s.rows().name("txn");
  row.value = s.writer().vector(micro_ops_);
  completion_ = row;
  completion_->type = OpType::ok;
  return Next::row;
}

}  // namespace gameday::reading
