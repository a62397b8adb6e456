#include "checkers/events/reader.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>
#include <thread>

#include "checkers/events/assembly.h"
#include "checkers/events/rows.h"

namespace gameday::reading {
namespace {

// How many lines end: sixteen bytes at a time, each of which counts for itself up to 255.
std::size_t newlines(const char* from, const char* to) {
  using Bytes [[gnu::vector_size(16)]] = unsigned char;
  std::size_t count = 0;
  while (to - from >= 16) {
    Bytes sums{};
    for (int i = 0; i < 255 && to - from >= 16; ++i, from += 16) {
      Bytes bytes;
      std::memcpy(&bytes, from, sizeof bytes);
      sums -= reinterpret_cast<Bytes>(bytes == '\n');
    }
    for (int i = 0; i < 16; ++i) count += sums[i];
  }
  return count + static_cast<std::size_t>(std::count(from, to, '\n'));
}

// A place in the file, for people: from 1, columns in bytes.
struct Place {
  std::size_t line = 1, column = 1;

  void advance(const char* from, const char* to) {
    line += newlines(from, to);
    const auto size = static_cast<std::size_t>(to - from);
    const void* const last = memrchr(from, '\n', size);
    column = last == nullptr ? column + size
                             : static_cast<std::size_t>(to - static_cast<const char*>(last));
  }
  // By a text whose end is `end`, had the text begun at 1:1.
  void advance(const Place& end) {
    column = end.line > 1 ? end.column : column + end.column - 1;
    line += end.line - 1;
  }
};

std::string found(const char* at, const char* end) {
  if (at == end) return "the end of the file";
  if (*at == '\n') return "the end of the line";
  if (*at <= ' ' || *at == 0x7f)
    return fmt::format("the byte 0x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(*at)));
  const char* to = at + 1;
  const auto plain = [](char c) {
    return c > ' ' && c != 0x7f && std::strchr(",;()[]{}\"", c) == nullptr;
  };
  if (plain(*at))
    while (to != end && to - at < kFoundLength && plain(*to)) ++to;
  return fmt::format("'{}'", std::string_view(at, static_cast<std::size_t>(to - at)));
}

// Bytes with kPadding behind them.
class Buffer {
 public:
  const char* begin() const { return bytes_.get() + offset_; }
  const char* end() const { return bytes_.get() + size_; }
  std::string_view text() const { return {begin(), size_ - offset_}; }
  std::size_t capacity() const { return capacity_; }
  void drop_front(std::size_t n) { offset_ += n; }
  void drop_back(std::size_t n) { size_ -= n; }
  void clear() { offset_ = size_ = 0; }
  // Room for n more bytes at end(), to be added().
  char* room(std::size_t n) {
    const std::size_t have = size_ - offset_;
    if (have + n + kPadding > capacity_) {
      const std::size_t capacity = have + n + kPadding;
      auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
      if (have > 0) std::memcpy(bytes.get(), begin(), have);
      bytes_ = std::move(bytes);
      capacity_ = capacity;
    } else if (offset_ > 0) {
      std::memmove(bytes_.get(), begin(), have);
    }
    offset_ = 0;
    size_ = have;
    return bytes_.get() + size_;
  }
  void added(std::size_t n) {
    size_ += n;
    std::memset(bytes_.get() + size_, 0, kPadding);
  }
  void append(std::string_view text) {
    char* const to = room(text.size());
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    added(text.size());
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0, offset_ = 0, size_ = 0;
};

// What a thread reads with.
struct Worker {
  Worker(Format format, Events& events)
      : part(events.shared_values()), writer(events.mutable_values()), rows(format, part, writer) {}
  Events part;
  Values::Writer writer;
  RowReader rows;
};

std::size_t free_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) * 1024;
  return std::size_t{1} << 40;
}

class Reader {
 public:
  Reader(Input& input, std::string name, const ReadOptions& options, const Sizes& sizes)
      : input_(input), name_(std::move(name)), options_(options), sizes_(sizes) {}

  Result<Events> read();

 private:
  struct Parsed {
    Collection before;  // where in a collection the text began
    bool last = false;  // nothing follows the text
    RowReader::Next end = RowReader::Next::end;
  };

  Status begin();
  Status read_in_order();
  Result<bool> fill(Buffer& buffer, std::size_t more);
  Parsed parse(Worker& worker, const Buffer& text, const Collection& before, bool last) const;
  Status join(Worker& worker, const Buffer& text, const Parsed& parsed);
  tl::unexpected<Error> no_memory() const;
  Status check_limits(std::size_t buffered);
  void reserve();
  tl::unexpected<Error> at_place(const Buffer& text, const char* at, const std::string& message) const {
    Place place = place_;
    place.advance(text.begin(), at);
    return fail("{}:{}:{}: {}", name_, place.line, place.column, message);
  }
  tl::unexpected<Error> wrong_at(const Buffer& text, const char* at, std::string_view expected) const {
    return at_place(text, at, fmt::format("expected {}, found {}", expected, found(at, text.end())));
  }

  bool worth_threads() const;
  unsigned threads() const {
    return options_.threads > 0 ? options_.threads : std::thread::hardware_concurrency();
  }
  Status read_in_parallel();
  void work();
  bool take_block(Buffer& text, std::size_t& turn);
  void finish(Worker& worker, const Buffer& text, const Result<Parsed>& parsed, std::size_t turn);
  Status join_block(Worker& worker, const Buffer& text, const Parsed& parsed, const Place& end);

  Input& input_;
  std::string name_;
  const ReadOptions& options_;
  const Sizes sizes_;
  Format format_ = Format::automatic;
  Events events_;
  Pairing pairing_{events_};
  Unnamed unnamed_;
  std::size_t limit_ = 0;          // bytes of memory
  std::atomic<std::size_t> read_{0};  // bytes of the input, unpacked

  Buffer buffer_;  // what is read and no row yet; it begins at place_
  Place place_;
  bool last_ = false;  // nothing follows the buffer
  Collection collection_{Collection::State::before};
  std::unique_ptr<Worker> worker_;

  // Blocks are taken and finished in order; between that each thread is on its own.
  std::mutex input_mutex_, turn_mutex_;
  std::condition_variable turn_changed_;
  std::size_t taken_ = 0, turn_ = 0;
  Buffer carry_;                           // the line that the block before has cut
  std::atomic<bool> in_order_now_{false};  // blocks cannot be read apart, or there is an error
  Buffer left_;                            // what was taken and has to be read in order
  Status error_;
};

Result<Events> Reader::read() {
  try {
    if (auto begun = begin(); !begun) return tl::make_unexpected(begun.error());
    if (auto done = read_in_order(); !done) return tl::make_unexpected(done.error());
  } catch (const std::bad_alloc&) {
    return no_memory();
  } catch (const std::length_error& e) {
    return fail("{}: {}", name_, e.what());
  }
  return std::move(events_);
}

// Reads up to `more` bytes behind the buffer. True: the input has ended.
Result<bool> Reader::fill(Buffer& buffer, std::size_t more) {
  char* const to = buffer.room(more);
  const auto got = input_.fill(to, more);
  if (!got) return fail("{}: {}", name_, got.error().message);
  buffer.added(*got);
  read_ += *got;
  return *got < more;
}

Status Reader::begin() {
  const std::size_t size = input_.size();
  const std::size_t small = std::max<std::size_t>(size + 1, 4096);
  const auto ended = fill(buffer_, size == 0 ? sizes_.block : std::min(sizes_.block, small));
  if (!ended) return tl::make_unexpected(ended.error());
  last_ = *ended;
  if (buffer_.text().starts_with("\xef\xbb\xbf")) buffer_.drop_front(3);
  format_ = options_.format;
  if (format_ == Format::automatic) {
    const auto format = sniff(buffer_.text());
    if (!format) {
      const std::size_t blanks = buffer_.text().find_first_not_of(" \t\r\n\f,");
      const char* const at = buffer_.begin() + std::min(blanks, buffer_.text().size());
      return wrong_at(buffer_, at, format.error().message);
    }
    format_ = *format;
  }
  events_.set_exact_answers(format_ == Format::etcd);
  worker_ = std::make_unique<Worker>(format_, events_);
  return {};
}

Status Reader::read_in_order() {
  for (bool first = true;; first = false) {
    if (auto good = check_limits(buffer_.capacity()); !good) return good;
    const Parsed parsed = parse(*worker_, buffer_, collection_, last_);
    if (auto joined = join(*worker_, buffer_, parsed); !joined) return joined;
    RowReader& rows = worker_->rows;
    if (parsed.end == RowReader::Next::wrong)
      return wrong_at(buffer_, rows.fault().at, rows.fault().expected);
    collection_ = rows.collection();
    const auto used = static_cast<std::size_t>(rows.rest() - buffer_.begin());
    place_.advance(buffer_.begin(), rows.rest());
    buffer_.drop_front(used);
    if (last_) return {};
    if (first) reserve();
    if (first && worth_threads()) {
      if (auto read = read_in_parallel(); !read) return read;
      continue;  // with what is left
    }
    // An op that is longer than what was read: the longer it is, the more is read.
    const std::size_t more = used > 0 ? sizes_.block : std::max(sizes_.block, buffer_.text().size());
    const auto ended = fill(buffer_, more);
    if (!ended) return tl::make_unexpected(ended.error());
    last_ = *ended;
  }
}

Reader::Parsed Reader::parse(Worker& worker, const Buffer& text, const Collection& before,
                             bool last) const {
  worker.part.clear_rows();
  worker.rows.start(text.text(), last, before);
  Parsed parsed{before, last, RowReader::Next::end};
  Events::Row row;
  while ((parsed.end = worker.rows.next(row)) == RowReader::Next::row) worker.part.append(row);
  return parsed;
}

// Appends the part to the history. Where a row does not fit, its place is found by reading the text
// again.
Status Reader::join(Worker& worker, const Buffer& text, const Parsed& parsed) {
  const std::size_t base = events_.size();
  Status fits;
  std::size_t bad = 0;
  events_.append_all(worker.part);
  const auto unnamed = unnamed_.assign_all(events_, base);
  if (fits = pairing_.more(); !fits) bad = pairing_.bad_row();
  // The first in the text, however much of it is read at a time.
  if (unnamed && (fits || *unnamed <= bad)) {
    bad = *unnamed;
    fits = fail("a completion without an invocation: {}", events_.describe(bad));
  }
  if (fits) return {};
  worker.rows.start(text.text(), parsed.last, parsed.before);
  Events::Row row;
  for (std::size_t i = base; i <= bad; ++i) worker.rows.next(row);
  return at_place(text, worker.rows.row_begin(), fits.error().message);
}

tl::unexpected<Error> Reader::no_memory() const {
  if (options_.out_of_memory != nullptr) *options_.out_of_memory = true;
  const std::size_t limit = limit_ > 0 ? limit_ : options_.memory_bytes;
  const std::string may = limit > 0 ? fmt::format(" than the {} MB that it may use", limit >> 20) : "";
  const std::string whole = input_.size() > 0 ? fmt::format(" of a file of {} MB", input_.size() >> 20) : "";
  return fail("{}: to read the history takes more memory{}: it ended after {} MB{}", name_, may,
              read_.load() >> 20, whole);
}

Status Reader::check_limits(std::size_t buffered) {
  if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) return fail("interrupted");
  const std::size_t used = events_.bytes() + buffered;
  // Small histories need not ask how much memory is free.
  if (used < (options_.memory_bytes > 0 ? options_.memory_bytes : std::size_t{64} << 20)) return {};
  if (limit_ == 0) limit_ = options_.memory_bytes > 0 ? options_.memory_bytes : free_memory() / 4 * 3;
  if (used <= limit_) return {};
  return no_memory();
}

// Of what comes, by what has been read: memory that is only reserved costs nothing.
void Reader::reserve() {
  if (input_.size() == 0 || input_.packed() || events_.size() == 0) return;
  const auto used = static_cast<double>(read_ - buffer_.text().size());
  const double share = static_cast<double>(input_.size()) / used;
  const double rows = 1.05 * share * static_cast<double>(events_.size());
  if (rows < double{1u << 30}) events_.reserve(static_cast<std::size_t>(rows));
}

bool Reader::worth_threads() const {
  return threads() > 1 && collection_.state == Collection::State::none && format_ != Format::json &&
         format_ != Format::awdit &&
         (input_.size() == 0 || input_.packed() || input_.size() > sizes_.parallel);
}

// Lines are rows, as a rule; then blocks of lines can be read apart. As soon as a block does not end
// where a row ends, the rest is read in order. Leaves in buffer_ what has to be read so.
Status Reader::read_in_parallel() {
  carry_ = std::move(buffer_);
  {
    std::vector<std::jthread> others;
    for (unsigned i = 1; i < threads(); ++i) others.emplace_back([this] { work(); });
    work();
  }
  buffer_ = std::move(left_);
  buffer_.append(carry_.text());
  return error_;
}

void Reader::work() {
  Worker worker(format_, events_);
  Buffer text;
  for (std::size_t turn = 0; take_block(text, turn);) {
    Result<Parsed> parsed;
    try {
      parsed = parse(worker, text, {}, false);
    } catch (const std::bad_alloc&) {
      parsed = no_memory();
    } catch (const std::exception& e) {
      parsed = fail("{}: {}", name_, e.what());
    }
    finish(worker, text, parsed, turn);
  }
}

// The next lines, as many as fit into a block. False: there are none, or none that can be read apart.
bool Reader::take_block(Buffer& text, std::size_t& turn) {
  const std::scoped_lock lock(input_mutex_);
  if (last_ || in_order_now_) return false;
  try {
    text.clear();
    text.append(carry_.text());
    carry_.clear();
    const auto ended = fill(text, sizes_.block);
    if (!ended) {
      in_order_now_ = true;
      const std::scoped_lock order(turn_mutex_);
      error_ = tl::make_unexpected(ended.error());
      return false;
    }
    last_ = *ended;
    const std::size_t newline = text.text().rfind('\n');
    const std::size_t lines = newline == std::string_view::npos ? 0 : newline + 1;
    carry_.append(text.text().substr(lines));
    text.drop_back(text.text().size() - lines);
    if (lines == 0) in_order_now_ = true;
    turn = taken_;
    taken_ += lines > 0 ? 1 : 0;
    return lines > 0;
  } catch (const std::bad_alloc&) {
    in_order_now_ = true;
    const std::scoped_lock order(turn_mutex_);
    error_ = no_memory();
    return false;
  }
}

void Reader::finish(Worker& worker, const Buffer& text, const Result<Parsed>& parsed, std::size_t turn) {
  Place end;
  end.advance(text.begin(), text.end());
  std::unique_lock lock(turn_mutex_);
  turn_changed_.wait(lock, [&] { return turn_ == turn; });
  Status done;
  try {
    if (!error_) {
      done = error_;
    } else if (!parsed) {
      done = tl::make_unexpected(parsed.error());
    } else if (in_order_now_) {
      left_.append(text.text());
    } else {
      done = join_block(worker, text, *parsed, end);
    }
  } catch (const std::bad_alloc&) {
    done = no_memory();
  } catch (const std::exception& e) {
    done = fail("{}: {}", name_, e.what());
  }
  if (!done) {
    error_ = done;
    in_order_now_ = true;
  }
  ++turn_;
  turn_changed_.notify_all();
}

Status Reader::join_block(Worker& worker, const Buffer& text, const Parsed& parsed, const Place& end) {
  if (auto good = check_limits(threads() * text.capacity()); !good) return good;
  if (auto joined = join(worker, text, parsed); !joined) return joined;
  if (parsed.end == RowReader::Next::end) {
    place_.advance(end);
    return {};
  }
  const auto used = static_cast<std::size_t>(worker.rows.rest() - text.begin());
  place_.advance(text.begin(), worker.rows.rest());
  left_.append(text.text().substr(used));
  in_order_now_ = true;
  return {};
}

}  // namespace

Result<Events> read_all(Input& input, std::string name, const ReadOptions& options, const Sizes& sizes) {
  return Reader(input, std::move(name), options, sizes).read();
}

}  // namespace gameday::reading
