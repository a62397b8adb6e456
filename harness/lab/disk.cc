#include "harness/lab/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>

#include "harness/lab/disk_backend.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlock = 4096;
// Reading everything before and after a loss must not take long: of larger disks the rest is
// compared by size and time only.
constexpr std::uint64_t kReadLimit = std::uint64_t{64} << 20;
constexpr std::size_t kNamesShown = 20;
constexpr const char* kLostAndFound = "lost+found";  // mke2fs makes it

struct Entry {
  mode_t type = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::string target;                // of a symbolic link
  std::vector<std::uint64_t> blocks;  // hashes; empty: not read
};
using Entries = std::map<std::string, Entry>;  // by path under the disk

void read_blocks(const fs::path& file, Entry& entry) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return;
  std::vector<char> buffer(std::size_t{256} * kBlock);
  ssize_t n = 0;
  while ((n = ::read(fd.get(), buffer.data(), buffer.size())) > 0)
    for (std::size_t at = 0; at < static_cast<std::size_t>(n); at += kBlock) {
      const std::size_t size = std::min(kBlock, static_cast<std::size_t>(n) - at);
      entry.blocks.push_back(std::hash<std::string_view>()({buffer.data() + at, size}));
    }
}

Entries list(const fs::path& root) {
  Entries entries;
  std::uint64_t read = 0;
  std::error_code error;
  for (auto it = fs::recursive_directory_iterator(root, error); !error && it != fs::end(it);
       it.increment(error)) {
    const std::string name = it->path().lexically_relative(root).string();
    struct stat info {};
    if (name == kLostAndFound || ::lstat(it->path().c_str(), &info) != 0) continue;
    Entry entry{info.st_mode & S_IFMT, 0,
                info.st_mtim.tv_sec * std::int64_t{1'000'000'000} + info.st_mtim.tv_nsec, {}, {}};
    if (S_ISLNK(info.st_mode)) entry.target = fs::read_symlink(it->path(), error).string();
    if (S_ISREG(info.st_mode)) {
      entry.size = static_cast<std::uint64_t>(info.st_size);
      if ((read += entry.size) <= kReadLimit) read_blocks(it->path(), entry);
    }
    entries.emplace(name, std::move(entry));
  }
  return entries;
}

// Bytes of content that one has and the other has not.
std::uint64_t difference(const Entry& before, const Entry& after) {
  const std::uint64_t grown = before.size > after.size ? before.size - after.size : 0;
  if (before.blocks.empty() != after.blocks.empty()) return std::max(grown, after.size);
  if (before.blocks.empty())
    return before.modified_ns != after.modified_ns ? std::max<std::uint64_t>(grown, 1) : grown;
  std::uint64_t blocks = 0;
  const std::size_t common = std::min(before.blocks.size(), after.blocks.size());
  for (std::size_t i = 0; i < common; ++i) blocks += before.blocks[i] != after.blocks[i] ? 1 : 0;
  return std::max(blocks * kBlock, grown);
}

Loss compare(const Entries& before, const Entries& after) {
  Loss loss;
  for (const auto& [name, entry] : before) {
    const auto now = after.find(name);
    if (now == after.end() || now->second.type != entry.type) {
      loss.vanished.push_back(name);
      loss.bytes += entry.size;
    } else if (now->second.size != entry.size || now->second.blocks != entry.blocks ||
               now->second.target != entry.target) {
      loss.changed.push_back(name);
      loss.bytes += difference(entry, now->second);
    }
  }
  for (const auto& [name, entry] : after)
    if (!before.contains(name)) loss.returned.push_back(name);
  return loss;
}

Json shortened(const std::vector<std::string>& names) {
  Json list(std::vector<std::string>(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesShown))));
  if (names.size() > kNamesShown) list.push_back(fmt::format("and {} more", names.size() - kNamesShown));
  return list;
}

std::string plural(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::uint64_t file_bytes(const fs::directory_entry& entry) {
  std::error_code ignored;
  return entry.is_regular_file(ignored) ? entry.file_size(ignored) : 0;
}

}  // namespace

std::string describe(const Loss& loss) {
  if (loss.nothing()) return "nothing was unsynced";
  std::vector<std::string> parts;
  if (!loss.vanished.empty())
    parts.push_back(plural(loss.vanished.size(), "new or renamed name") + " vanished");
  if (!loss.returned.empty())
    parts.push_back(plural(loss.returned.size(), "removed or renamed name") + " came back");
  if (!loss.changed.empty())
    parts.push_back(plural(loss.changed.size(), "file") + " went back to older content");
  return fmt::format("{}; {:.1f} KiB lost", fmt::join(parts, ", "),
                     static_cast<double>(loss.bytes) / 1024);
}

Json to_json(const Loss& loss) {
  Json json = {{"vanished", shortened(loss.vanished)},
               {"returned", shortened(loss.returned)},
               {"changed", shortened(loss.changed)},
               {"bytes", loss.bytes}};
  if (!loss.torn.is_null()) json["torn"] = loss.torn;
  return json;
}

Result<std::unique_ptr<Disk>> Disk::create(const Options& options) {
  const Status ext4 = options.tear || options.force_fuse
                          ? Status(fail("only a FUSE disk can tear writes"))
                          : ext4_available();
  if (ext4) return create_ext4_disk(options);
  const Status fuse = fuse_available();
  if (fuse) return create_fuse_disk(options);
  return fail("no disk that can lose power: {}; {}", ext4.error().message, fuse.error().message);
}

Disk::Disk(fs::path directory)
    : directory_(std::move(directory)),
      below_(::open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

Result<Loss> Disk::power_loss(const std::optional<Tear>& tear) {
  if (tear && tear->sector != 512 && tear->sector != 4096)
    return fail("a sector has 512 or 4096 bytes, not {}", tear->sector);
  const Entries before = list(directory_);
  auto torn = cut(tear);
  if (!torn) return tl::make_unexpected(torn.error());
  Loss loss = compare(before, list(directory_));
  loss.torn = std::move(*torn);
  if (auto works = probe(); !works) return tl::make_unexpected(works.error());
  return loss;
}

Status Disk::probe() const {
  const std::string file = directory_ / ".gameday-probe";
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(fmt::format("the disk at {} is not writable", directory_.string()));
  const bool written = ::write(fd.get(), "probe", 5) == 5 && ::fsync(fd.get()) == 0;
  const int error = errno;
  // Synced, or the file would be there again after the next power loss.
  const Fd folder(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool removed = ::unlink(file.c_str()) == 0 && ::fsync(folder.get()) == 0;
  if (written && removed) return {};
  return fail("the disk at {} does not work: {}", directory_.string(),
              std::strerror(written ? errno : error));
}

Result<std::string> Disk::leave_behind(std::uint64_t cap) const {
  const fs::path folder = fmt::format("/proc/self/fd/{}", below_.get());
  std::error_code error;
  std::uint64_t copied = 0, left_bytes = 0;
  std::size_t left = 0;
  for (auto it = fs::recursive_directory_iterator(directory_, error); !error && it != fs::end(it);
       it.increment(error)) {
    const fs::path name = it->path().lexically_relative(directory_);
    if (name == kLostAndFound) continue;
    const std::uint64_t bytes = file_bytes(*it);
    if (copied + bytes > cap) {
      ++left;
      left_bytes += bytes;
      continue;
    }
    std::error_code failed;
    if (it->is_directory(failed) && !it->is_symlink(failed))
      fs::create_directories(folder / name, failed);
    else if (it->is_symlink(failed) || it->is_regular_file(failed))
      fs::copy(it->path(), folder / name, fs::copy_options::copy_symlinks, failed);
    if (failed) return fail("cannot keep {}: {}", it->path().string(), failed.message());
    copied += bytes;
  }
  if (error) return fail("cannot read {}: {}", directory_.string(), error.message());
  if (left == 0) return std::string();
  return fmt::format("{} of {:.0f} MiB left out: more than {} MiB", plural(left, "file"),
                     static_cast<double>(left_bytes) / (1 << 20), cap >> 20);
}

Result<std::string> disk_backends() {
  const Status ext4 = ext4_available(), fuse = fuse_available();
  if (ext4 && fuse) return "ext4, fuse";
  if (ext4) return "ext4";
  if (fuse) return "fuse";
  return fail("no disk that can lose power: {}; {}", ext4.error().message, fuse.error().message);
}

Status disks_available() {
  auto backends = disk_backends();
  if (!backends) return tl::make_unexpected(backends.error());
  return {};
}

Status torn_disks_available() { return fuse_available(); }

std::uint64_t disk_size(int nodes) {
  std::ifstream in("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kib = 0, available = 0;
  while (in >> key >> kib && std::getline(in, unit))
    if (key == "MemAvailable:") available = kib << 10;
  constexpr std::uint64_t kLeast = std::uint64_t{64} << 20, kMiB = std::uint64_t{1} << 20;
  const std::uint64_t share = available / 2 / static_cast<std::uint64_t>(std::max(nodes, 1));
  return std::clamp(share / kMiB * kMiB, kLeast, kDiskBytes);
}

}  // namespace gameday::lab
