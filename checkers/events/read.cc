#include "checkers/events/read.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <new>
#include <thread>

#include "checkers/events/assembly.h"
#include "checkers/events/input.h"
#include "checkers/events/rows.h"

namespace gameday {

namespace {

constexpr std::pair<Format, std::string_view> kFormats[] = {
    {Format::automatic, "auto"}, {Format::jsonl, "jsonl"}, {Format::json, "json"}, {Format::edn, "edn"},
    {Format::text, "text"},      {Format::etcd, "etcd"},   {Format::kv, "kv"}};

}  // namespace

std::string_view to_string(Format format) {
  for (const auto& [known, name] : kFormats)
    if (known == format) return name;
  return "auto";
}

std::optional<Format> parse_format(std::string_view name) {
  for (const auto& [format, known] : kFormats)
    if (known == name) return format;
  return std::nullopt;
}

namespace reading {
namespace {

// A place in the file, for people: from 1, columns in bytes.
struct Place {
  std::size_t line = 1, column = 1;

  void advance(const char* from, const char* to) {
    while (const void* newline = std::memchr(from, '\n', static_cast<std::size_t>(to - from))) {
      ++line;
      column = 1;
      from = static_cast<const char*>(newline) + 1;
    }
    column += static_cast<std::size_t>(to - from);
  }
};

std::string found(const char* at, const char* end) {
  if (at == end) return "the end of the file";
  if (*at == '\n') return "the end of the line";
  if (*at <= ' ' || *at == 0x7f)
    return fmt::format("the byte 0x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(*at)));
  const char* to = at + 1;
  const auto plain = [](char c) { return c > ' ' && c != 0x7f && std::strchr(",;()[]{}\"", c) == nullptr; };
  if (plain(*at))
    while (to != end && to - at < 24 && plain(*to)) ++to;
  return fmt::format("'{}'", std::string_view(at, static_cast<std::size_t>(to - at)));
}

class Reader {
 public:
  Reader(std::string name, const ReadOptions& options) : name_(std::move(name)), options_(options) {}

  Result<Events> read(Input& input) {
    if (auto done = read_blocks(input); !done) return tl::make_unexpected(done.error());
    return std::move(events_);
  }

 private:
  static constexpr std::size_t kBlock = std::size_t{1} << 20;

  Status read_blocks(Input& input);
  Status fill(Input& input, std::size_t more);
  Status begin();
  Status parse(bool& progress);
  Status join(const Collection& before);
  Status check_limits();
  tl::unexpected<Error> wrong_at(const char* at, const std::string& message) const {
    Place place = place_;
    place.advance(buffer_.data() + offset_, at);
    return fail("{}:{}:{}: {}", name_, place.line, place.column, message);
  }

  std::string name_;
  const ReadOptions& options_;
  Format format_ = Format::automatic;
  Events events_;
  Pairing pairing_{events_};
  Unnamed unnamed_;

  // Bytes that are not rows yet: buffer_[offset_, ...), which begin at place_.
  std::vector<char> buffer_;
  std::size_t offset_ = 0;
  Place place_;
  bool last_ = false;
  Collection collection_{Collection::State::before, 0};
  std::unique_ptr<Events> part_;
  std::unique_ptr<Values::Writer> writer_;
  std::unique_ptr<RowReader> rows_;
};

Status Reader::fill(Input& input, std::size_t more) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(offset_));
  offset_ = 0;
  const std::size_t have = buffer_.size();
  buffer_.resize(have + more + kPadding);
  const auto got = input.fill(buffer_.data() + have, more);
  if (!got) return fail("{}: {}", name_, got.error().message);
  last_ = *got < more;
  buffer_.reserve(have + *got + kPadding);
  buffer_.resize(have + *got);
  return {};
}

Status Reader::begin() {
  std::string_view text(buffer_.data(), buffer_.size());
  if (text.starts_with("\xef\xbb\xbf")) {
    offset_ = 3;
    text.remove_prefix(3);
  }
  format_ = options_.format;
  if (format_ == Format::automatic) {
    const auto format = sniff(text);
    if (!format) {
      const auto at = std::find_if(text.begin(), text.end(), [](char c) { return c > ' ' || c < 0; });
      const char* const p = text.data() + (at - text.begin());
      return wrong_at(p, fmt::format("expected {}, found {}", format.error().message,
                                     found(p, text.data() + text.size())));
    }
    format_ = *format;
  }
  part_ = std::make_unique<Events>(events_.shared_values());
  writer_ = std::make_unique<Values::Writer>(events_.mutable_values());
  rows_ = std::make_unique<RowReader>(format_, *part_, *writer_);
  return {};
}

Status Reader::check_limits() {
  if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) return fail("interrupted");
  return {};
}

Status Reader::read_blocks(Input& input) {
  std::size_t more = std::min(kBlock, std::max<std::size_t>(input.size() + 1, 4096));
  if (input.size() == 0) more = kBlock;
  if (auto filled = fill(input, more); !filled) return filled;
  if (auto begun = begin(); !begun) return begun;
  for (;;) {
    if (auto good = check_limits(); !good) return good;
    bool progress = false;
    if (auto parsed = parse(progress); !parsed) return parsed;
    if (last_) return {};
    // An op that is longer than what was read: read more the longer it is.
    more = progress ? kBlock : std::max(kBlock, buffer_.size());
    if (auto filled = fill(input, more); !filled) return filled;
  }
}

// Makes rows of what the buffer has, as far as it goes.
Status Reader::parse(bool& progress) {
  const std::string_view text(buffer_.data() + offset_, buffer_.size() - offset_);
  const Collection before = collection_;
  part_->clear_rows();
  rows_->start(text, last_, before);
  Events::Row row;
  RowReader::Next next;
  while ((next = rows_->next(row)) == RowReader::Next::row) part_->append(row);
  if (auto joined = join(before); !joined) return joined;
  if (next == RowReader::Next::wrong)
    return wrong_at(rows_->fault().at, fmt::format("expected {}, found {}", rows_->fault().expected,
                                                   found(rows_->fault().at, text.data() + text.size())));
  collection_ = rows_->collection();
  const auto used = static_cast<std::size_t>(rows_->rest() - text.data());
  place_.advance(text.data(), rows_->rest());
  offset_ += used;
  progress = used > 0;
  return {};
}

// Appends the part to the history. Where a row does not fit, its place is found by reading the text
// again.
Status Reader::join(const Collection& before) {
  const std::size_t base = events_.size();
  Status fits;
  std::size_t bad = 0;
  events_.append_all(*part_);
  if (auto named = unnamed_.assign_all(events_, base); named) {
    bad = *named;
    fits = fail("a completion without an invocation: {}", events_.describe(bad));
  } else if (fits = pairing_.more(); !fits) {
    bad = pairing_.bad_row();
  }
  if (fits) return {};
  rows_->start({buffer_.data() + offset_, buffer_.size() - offset_}, last_, before);
  Events::Row row;
  for (std::size_t i = base; i <= bad; ++i) rows_->next(row);
  return wrong_at(rows_->row_begin(), fits.error().message);
}

}  // namespace

Result<Events> read_input(Result<std::unique_ptr<Input>> input, std::string name,
                          const ReadOptions& options) {
  if (!input) return tl::make_unexpected(input.error());
  return Reader(std::move(name), options).read(**input);
}

}  // namespace reading

Result<Events> read_events(const std::filesystem::path& file, const ReadOptions& options) {
  return reading::read_input(reading::open_input(file), file == "-" ? "standard input" : file.string(),
                             options);
}

Result<Events> parse_events(std::string_view text, std::string_view name, const ReadOptions& options) {
  return reading::read_input(reading::open_input(text), std::string(name), options);
}

}  // namespace gameday
