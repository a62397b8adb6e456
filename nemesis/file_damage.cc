#include "nemesis/file_damage.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>

#include "harness/lab/fd.h"

namespace gameday::nemesis {
namespace fs = std::filesystem;

namespace {

struct Open {
  lab::Fd fd;
  std::uint64_t size = 0;
};

// nullopt: there is no such file any more.
Result<std::optional<Open>> open_below(const fs::path& directory, const std::string& file) {
  const lab::Fd base(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!base) return fail_errno("open " + directory.string());
  open_how how{};
  how.flags = O_RDWR | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  Open opened{lab::Fd(static_cast<int>(
                  ::syscall(SYS_openat2, base.get(), file.c_str(), &how, sizeof how))),
              0};
  if (!opened.fd && (errno == ENOENT || errno == ELOOP || errno == EXDEV)) return std::nullopt;
  if (!opened.fd) return fail_errno("open " + (directory / file).string());
  struct stat info {};
  if (::fstat(opened.fd.get(), &info) != 0) return fail_errno("stat " + file);
  if (!S_ISREG(info.st_mode)) return std::nullopt;
  opened.size = static_cast<std::uint64_t>(info.st_size);
  return std::optional(std::move(opened));
}

off_t at(std::uint64_t offset) { return static_cast<off_t>(offset); }

// The numbers of the bytes of the region that are hit, ascending.
std::set<std::uint64_t> draw(std::uint64_t size, const Flips& flips, Rng& rng) {
  std::set<std::uint64_t> hit;
  if (size == 0) return hit;
  if (!flips.probability) {
    const std::uint64_t wanted = std::min(flips.flips, size);
    while (hit.size() < wanted) hit.insert(rng.below(size));
    return hit;
  }
  if (*flips.probability <= 0) return hit;
  // The gaps between hits are geometric: no draw for every byte.
  const double scale = std::log1p(-std::min(*flips.probability, 1 - 1e-9));
  for (double next = 0;; next += 1) {
    next += std::floor(std::log1p(-rng.unit()) / scale);
    if (next >= static_cast<double>(size)) return hit;
    hit.insert(static_cast<std::uint64_t>(next));
  }
}

Status write_at(int fd, std::string_view bytes, std::uint64_t offset, const std::string& file) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), at(offset));
    if (n < 0) return fail_errno("write to " + file);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

std::string read_at(int fd, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), at(offset));
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return bytes;
}

// The damage is to the disk, not to the page cache.
Status keep(int fd, const std::string& file) {
  if (::fsync(fd) != 0) return fail_errno("fsync of " + file);
  return {};
}

}  // namespace

std::uint64_t Region::size_within(std::uint64_t file_size) const {
  const std::uint64_t chunks = (file_size + chunk - 1) / chunk;
  if (chunks <= residue) return 0;
  const std::uint64_t hit = (chunks - residue - 1) / modulus + 1;
  const std::uint64_t last = residue + (hit - 1) * modulus;  // the last of them may be short
  return (hit - 1) * chunk + std::min(chunk, file_size - last * chunk);
}

std::uint64_t Region::offset(std::uint64_t n) const {
  return (residue + n / chunk * modulus) * chunk + n % chunk;
}

std::vector<std::string> files_below(const fs::path& directory, const std::string& glob) {
  std::vector<std::string> found;
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;  // links are not followed
  for (fs::recursive_directory_iterator it(directory, options, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (it->symlink_status(gone).type() != fs::file_type::regular) continue;
    const std::string name = it->path().lexically_relative(directory);
    if (::fnmatch(glob.c_str(), name.c_str(), FNM_PERIOD) == 0) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

Status flip_bits(const fs::path& directory, const std::string& file, const Region& region,
                 const Flips& flips, Rng& rng, std::vector<Change>& changes) {
  auto opened = open_below(directory, file);
  if (!opened) return tl::make_unexpected(opened.error());
  if (!*opened) return {};
  const int fd = (*opened)->fd.get();
  for (const std::uint64_t n : draw(region.size_within((*opened)->size), flips, rng)) {
    const std::uint64_t offset = region.offset(n);
    const auto bit = static_cast<int>(rng.below(8));
    std::string byte = read_at(fd, offset, 1);
    if (byte.empty()) continue;  // the file became shorter
    byte[0] = static_cast<char>(byte[0] ^ (1 << bit));
    if (auto written = write_at(fd, byte, offset, file); !written) return written;
    if (read_at(fd, offset, 1) != byte) continue;  // overwritten by its owner already
    changes.push_back({file, offset, 1, fmt::format("bit {} flipped", bit)});
  }
  return keep(fd, file);
}

Status cut_off(const fs::path& directory, const std::string& file, std::uint64_t bytes,
               std::vector<Change>& changes) {
  auto opened = open_below(directory, file);
  if (!opened) return tl::make_unexpected(opened.error());
  if (!*opened || (*opened)->size == 0) return {};
  const int fd = (*opened)->fd.get();
  const std::uint64_t before = (*opened)->size;
  const std::uint64_t after = before - std::min(before, bytes);
  if (::ftruncate(fd, at(after)) != 0) return fail_errno("truncate " + file);
  struct stat info {};
  if (::fstat(fd, &info) == 0 && static_cast<std::uint64_t>(info.st_size) < before)
    changes.push_back({file, after, before - after, "cut off"});
  return keep(fd, file);
}

Status take_back(const fs::path& directory, const std::string& file, const fs::path& image,
                 const Region& region, std::vector<Change>& changes) {
  auto opened = open_below(directory, file);
  if (!opened) return tl::make_unexpected(opened.error());
  if (!*opened) return {};
  const int fd = (*opened)->fd.get();
  auto old = open_below(image.parent_path(), image.filename());
  if (!old) return tl::make_unexpected(old.error());
  if (!*old) return fail("the image of {} is gone", file);
  const std::uint64_t old_size = (*old)->size, size = (*opened)->size;
  const std::uint64_t limit = region.modulus == 1 ? old_size : std::min(old_size, size);
  for (std::uint64_t n = 0; n < region.size_within(limit); n += region.chunk) {
    const std::uint64_t offset = region.offset(n);
    const std::uint64_t length = std::min(region.chunk, limit - offset);
    const std::string then = read_at((*old)->fd.get(), offset, length);
    if (then == read_at(fd, offset, length)) continue;
    if (auto written = write_at(fd, then, offset, file); !written) return written;
    if (read_at(fd, offset, length) == then)
      changes.push_back({file, offset, length, "taken back"});
  }
  if (region.modulus == 1 && size > old_size) {
    if (::ftruncate(fd, at(old_size)) != 0) return fail_errno("truncate " + file);
    changes.push_back({file, old_size, size - old_size, "cut off"});
  }
  return keep(fd, file);
}

}  // namespace gameday::nemesis
