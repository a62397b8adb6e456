#include "sut/search/log_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sut/search/bytes.h"

namespace gameday::search {
namespace {

using std::filesystem::path;

constexpr const char* log_name = "raft.log";
constexpr const char* note_name = "raft.synced";
constexpr std::string_view file_header = "searchd-log-2\n\n\n";
constexpr std::uint32_t record_magic = 0x6c6f672e;
constexpr std::uint32_t note_magic = 0x636e7973;
constexpr std::size_t header_size = 4 + 4 + 4 + 8 + 1;
constexpr std::size_t checked_from = 12;  // batch, kind and content are under the checksum
constexpr std::uint8_t kind_entry = 1;
constexpr std::uint8_t kind_hard_state = 2;

struct Record {
  std::uint64_t batch = 0;
  std::uint8_t kind = 0;
  std::string_view content;
};

// The whole and undamaged record at an offset, or nothing.
std::optional<Record> record_at(std::string_view file, std::size_t offset, bool checked = true) {
  ByteReader in(file.substr(offset));
  if (in.take<std::uint32_t>() != record_magic) return std::nullopt;
  const auto size = in.take<std::uint32_t>();
  const auto crc = in.take<std::uint32_t>();
  Record record;
  record.batch = in.take<std::uint64_t>();
  record.kind = in.take<std::uint8_t>();
  record.content = in.take_bytes(checked ? size : std::min<std::size_t>(size, in.left()));
  if (!in.ok()) return std::nullopt;
  const std::size_t length = header_size - checked_from + record.content.size();
  if (checked && checksum(file.substr(offset + checked_from, length)) != crc) return std::nullopt;
  return record;
}

// Whether some batch was begun after the byte at `offset`: then that byte had been durable.
bool later_batch_follows(std::string_view file, std::size_t offset) {
  std::string magic;
  put(magic, record_magic);
  for (std::size_t at = file.find(magic, offset + 1); at != std::string_view::npos;
       at = file.find(magic, at + 1)) {
    const auto record = record_at(file, at);
    if (record && record->batch > offset) return true;
  }
  return false;
}

Status replay(const Record& record, RecoveredLog& log) {
  if (record.kind == kind_hard_state) {
    ByteReader in(record.content);
    log.hard_state.term = in.take<raft::Term>();
    log.hard_state.vote = in.take<raft::NodeId>();
    log.hard_state.commit = in.take<raft::Index>();
    if (!in.done()) return fail("a hard state of {} bytes", record.content.size());
    return {};
  }
  if (record.kind != kind_entry) return fail("a record of unknown kind {}", record.kind);
  auto entry = raft::decode_entry(record.content);
  if (!entry) return fail("an entry that cannot be decoded");
  if (entry->index == 0 || entry->index > log.entries.size() + 1) {
    return fail("entry {} follows entry {}", entry->index, log.entries.size());
  }
  log.entries.resize(entry->index - 1);
  log.entries.push_back(*std::move(entry));
  return {};
}

tl::unexpected<Error> lost(const std::string& what) {
  return fail("{}: the disk has lost what was durable; replace this node by a new one", what);
}

// Fills `log`; `bytes` is then the length of the undamaged part. `synced`: known to be durable.
Status read_records(std::string_view file, std::uint64_t synced, const Bugs& bugs,
                    RecoveredLog& log) {
  std::size_t offset = file_header.size();
  std::size_t batch = offset;
  while (offset < file.size()) {
    auto record = record_at(file, offset);
    if (!record && (offset < synced || later_batch_follows(file, offset)))
      return lost(fmt::format("the record at byte {} is damaged", offset));
    // BUG 12 torn-tail-accepted: what an unfinished write has left is a record if it begins like one.
    if (!record && bugs.torn_tail_accepted) record = record_at(file, offset, /*checked=*/false);
    if (!record) break;
    if (record->batch == offset) batch = offset;
    if (record->batch != batch && !bugs.torn_tail_accepted)
      return lost(fmt::format("the record at byte {} belongs elsewhere", offset));
    if (auto replayed = replay(*record, log); !replayed)
      return fail("at byte {}: {}", offset, replayed.error().message);
    offset += header_size + record->content.size();
  }
  if (offset < synced) return lost(fmt::format("it ends at byte {}, not {}", offset, synced));
  log.bytes = offset;
  log.torn_bytes = file.size() - offset;
  return {};
}

std::string encode_note(std::uint64_t bytes) {
  std::string note;
  put(note, note_magic);
  put(note, bytes);
  put(note, checksum(note));
  return note;
}

std::optional<std::uint64_t> decode_note(std::string_view note) {
  ByteReader in(note);
  (void)in.take<std::uint32_t>();
  const auto bytes = in.take<std::uint64_t>();
  if (!in.ok() || note != encode_note(bytes)) return std::nullopt;
  return bytes;
}

Status sync_directory(const path& directory) {
  const int handle = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return fail_errno("open " + directory.string());
  const int result = ::fsync(handle);
  ::close(handle);
  if (result != 0) return fail_errno("fsync " + directory.string());
  return {};
}

Result<std::string> read_all(int file, const std::string& name) {
  struct stat info {};
  if (::fstat(file, &info) != 0) return fail_errno("stat " + name);
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n =
        ::pread(file, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + name);
    if (n == 0) return fail("read {}: it ends early", name);
    done += static_cast<std::size_t>(n);
  }
  return bytes;
}

Status write_all(int file, std::string_view bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write to the log");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    at += static_cast<std::uint64_t>(written);
  }
  return {};
}

// A whole and durable file under its name, or none.
Status create_file(const path& directory, const char* name, std::string_view content) {
  const path temporary = directory / (std::string(name) + ".new");
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return fail_errno("create " + temporary.string());
  Status status = write_all(file, content, 0);
  if (status && ::fsync(file) != 0) status = fail_errno("fsync " + temporary.string());
  ::close(file);
  if (!status) return status;
  if (::rename(temporary.c_str(), (directory / name).c_str()) != 0)
    return fail_errno("rename " + temporary.string());
  return sync_directory(directory);
}

// A directory and its name, durably.
Status make_directory(const path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail("cannot create {}: {}", directory.string(), error.message());
  const path absolute = std::filesystem::canonical(directory, error);
  if (error) return fail("{}: {}", directory.string(), error.message());
  return sync_directory(absolute.parent_path());
}

}  // namespace

Result<LogStore> LogStore::open(const path& directory, RecoveredLog& recovered, const Bugs& bugs) {
  recovered = {};
  if (!std::filesystem::exists(directory / log_name)) {
    Status made = make_directory(directory);
    // raft.synced first: a log without it is one that has lost it.
    if (made && !std::filesystem::exists(directory / note_name))
      made = create_file(directory, note_name, encode_note(file_header.size()));
    if (made) made = create_file(directory, log_name, file_header);
    if (!made) return tl::make_unexpected(made.error());
  }
  const int file = ::open((directory / log_name).c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return fail_errno("open " + (directory / log_name).string());
  const int note = ::open((directory / note_name).c_str(), O_RDWR | O_CLOEXEC);
  LogStore store(file, note, bugs);
  if (note < 0 && errno == ENOENT) return lost((directory / note_name).string() + " is missing");
  if (note < 0) return fail_errno("open " + (directory / note_name).string());
  if (auto read = store.recover(directory, recovered); !read)
    return tl::make_unexpected(read.error());
  return store;
}

Status LogStore::recover(const path& directory, RecoveredLog& recovered) {
  const std::string name = directory / log_name;
  const auto note = read_all(note_, directory / note_name);
  if (!note) return tl::make_unexpected(note.error());
  const auto synced = decode_note(*note);
  if (!synced) return lost((directory / note_name).string() + " is damaged");
  const auto bytes = read_all(file_, name);
  if (!bytes) return tl::make_unexpected(bytes.error());
  if (!bytes->starts_with(file_header)) return fail("{} is not a log of searchd", name);
  if (auto read = read_records(*bytes, *synced, bugs_, recovered); !read)
    return fail("{}: {}", name, read.error().message);
  if (::ftruncate(file_, static_cast<off_t>(recovered.bytes)) != 0)
    return fail_errno("truncate " + name);
  size_ = *synced;
  batch_ = bytes->substr(*synced, recovered.bytes - *synced);
  if (recovered.torn_bytes > 0 && ::fsync(file_) != 0) return fail_errno("fsync " + name);
  return sync();
}

LogStore::LogStore(LogStore&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      note_(std::exchange(other.note_, -1)),
      size_(other.size_),
      batch_(std::move(other.batch_)),
      bugs_(other.bugs_) {}

LogStore::~LogStore() {
  if (file_ >= 0) ::close(file_);
  if (note_ >= 0) ::close(note_);
}

void LogStore::add_record(std::uint8_t kind, const std::string& content) {
  std::string checked;
  checked.reserve(header_size + content.size());
  put(checked, size_);
  put(checked, kind);
  checked += content;
  put(batch_, record_magic);
  put(batch_, static_cast<std::uint32_t>(content.size()));
  put(batch_, checksum(checked));
  batch_ += checked;
}

void LogStore::append(const std::optional<raft::HardState>& hard_state,
                      std::span<const raft::Entry> entries) {
  for (const raft::Entry& entry : entries) add_record(kind_entry, raft::encode(entry));
  if (!hard_state) return;
  std::string content;
  put(content, hard_state->term);
  put(content, hard_state->vote);
  put(content, hard_state->commit);
  add_record(kind_hard_state, content);
}

Status LogStore::sync() {
  if (batch_.empty()) return {};
  if (auto written = write_all(file_, batch_, size_); !written) return written;
  if (auto durable = make_durable(); !durable) return durable;
  size_ += batch_.size();
  batch_.clear();
  return write_all(note_, encode_note(size_), 0);
}

Status LogStore::make_durable() {
  if (bugs_.no_fsync) return {};  // BUG 11 no-fsync: the kernel will write it some time
  if (::fdatasync(file_) == 0) return {};
  if (bugs_.fsync_error_ignored) return {};  // BUG 13 fsync-error-ignored
  return fail_errno("fdatasync of the log");
}

}  // namespace gameday::search
