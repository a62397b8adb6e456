#include "sut/search/log_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>

#include "sut/search/bytes.h"

namespace gameday::search {
namespace {

constexpr std::string_view file_header = "searchd-log-1\n\n\n";
constexpr std::uint32_t record_magic = 0x6c6f672e;
constexpr std::size_t header_size = 4 + 4 + 4 + 8 + 1;
constexpr std::size_t checked_from = 12;  // batch, kind and content are under the checksum
constexpr std::uint8_t kind_entry = 1;
constexpr std::uint8_t kind_hard_state = 2;

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

struct Record {
  std::uint64_t batch = 0;
  std::uint8_t kind = 0;
  std::string_view content;
};

// The whole and undamaged record at an offset, or nothing.
std::optional<Record> record_at(std::string_view file, std::size_t offset) {
  ByteReader in(file.substr(offset));
  if (in.take<std::uint32_t>() != record_magic) return std::nullopt;
  const auto size = in.take<std::uint32_t>();
  const auto crc = in.take<std::uint32_t>();
  Record record;
  record.batch = in.take<std::uint64_t>();
  record.kind = in.take<std::uint8_t>();
  record.content = in.take_bytes(size);
  if (!in.ok()) return std::nullopt;
  const std::size_t checked = header_size - checked_from + size;
  if (checksum(file.substr(offset + checked_from, checked)) != crc) return std::nullopt;
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

// Fills `log`; `bytes` is then the length of the undamaged part.
Status read_records(std::string_view file, const std::string& path, RecoveredLog& log) {
  std::size_t offset = file_header.size();
  while (offset < file.size()) {
    const auto record = record_at(file, offset);
    if (!record) {
      if (!later_batch_follows(file, offset)) break;
      return fail(
          "{}: the record at byte {} is damaged, though later ones are whole: the disk lost "
          "durable "
          "data; remove the data directory to rebuild this node from its peers",
          path, offset);
    }
    if (auto replayed = replay(*record, log); !replayed) {
      return fail("{}: at byte {}: {}", path, offset, replayed.error().message);
    }
    offset += header_size + record->content.size();
  }
  log.bytes = offset;
  log.torn_bytes = file.size() - offset;
  return {};
}

Status sync_directory(const std::filesystem::path& directory) {
  const int handle = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return fail_errno("open " + directory.string());
  const int result = ::fsync(handle);
  ::close(handle);
  if (result != 0) return fail_errno("fsync " + directory.string());
  return {};
}

Result<std::string> read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  std::string bytes(static_cast<std::size_t>(std::max<std::streamoff>(in.tellg(), 0)), '\0');
  in.seekg(0);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in) return fail("cannot read {}", path);
  return bytes;
}

Status write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write to the log");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Result<LogStore> LogStore::open(const std::filesystem::path& directory, RecoveredLog& recovered) {
  recovered = {};
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fail("cannot create {}: {}", directory.string(), error.message());
  const std::string path = directory / "raft.log";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return fail_errno("open " + path);
  LogStore store(file, 0);

  const auto bytes = read_all(path);
  if (!bytes) return tl::make_unexpected(bytes.error());
  const std::string_view head = std::string_view(*bytes).substr(0, file_header.size());
  if (head != file_header.substr(0, head.size())) {
    return fail("{} is not a log of searchd", path);
  }
  if (head.size() < file_header.size()) {  // new, or torn at its creation
    recovered.torn_bytes = head.size();
    recovered.bytes = file_header.size();
    if (::ftruncate(file, 0) != 0) return fail_errno("truncate " + path);
    if (auto written = write_all(file, file_header); !written) {
      return tl::make_unexpected(written.error());
    }
  } else if (auto read = read_records(*bytes, path, recovered); !read) {
    return tl::make_unexpected(read.error());
  } else if (::ftruncate(file, static_cast<off_t>(recovered.bytes)) != 0) {
    return fail_errno("truncate " + path);
  }
  // What was read may be in the page cache only, after a kill between write and fdatasync; this
  // node is about to act on it as durable.
  if (::fsync(file) != 0) return fail_errno("fsync " + path);
  store.size_ = recovered.bytes;
  if (recovered.bytes > file_header.size()) return store;
  // Before the first record: its being durable is worth nothing in a file that has no durable name.
  const auto absolute = std::filesystem::canonical(directory);
  for (const auto& synced : {absolute, absolute.parent_path()}) {
    if (auto done = sync_directory(synced); !done) return tl::make_unexpected(done.error());
  }
  return store;
}

LogStore::LogStore(LogStore&& other) noexcept
    : file_(std::exchange(other.file_, -1)), size_(other.size_), batch_(std::move(other.batch_)) {}

LogStore::~LogStore() {
  if (file_ >= 0) ::close(file_);
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
  if (auto written = write_all(file_, batch_); !written) return written;
  if (::fdatasync(file_) != 0) return fail_errno("fdatasync of the log");
  size_ += batch_.size();
  batch_.clear();
  return {};
}

}  // namespace gameday::search
