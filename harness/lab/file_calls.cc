#include "harness/lab/file_calls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fstream>
#include <sstream>

#include "harness/lab/syscall_supervisor.h"

namespace gameday::lab {
namespace {

// Where a call says which file it is about.
enum class Names : std::uint8_t {
  fd,         // a descriptor, in argument `at`
  path,       // a path, in `at`
  path_twice, // paths in `at` and `at` + 1
  fd_path,    // a path relative to a descriptor, in `at` and `at` + 1
  fd_path_twice,  // in `at` to `at` + 3
  mapping,    // an address in `at`
};

struct Spec {
  int number;
  CallClasses classes;
  Names names;
  unsigned at = 0;
  int bytes = -1;       // the argument with how many it asks to write; -1: none
  int vector = -1;      // the argument with a struct iovec[]; its length is the next
  int open_flags = -1;  // the argument with O_CREAT and others
  bool grows = false;
};

constexpr Spec kSpecs[]{
    {.number = SYS_fsync, .classes = kSyncCalls, .names = Names::fd},
    {.number = SYS_fdatasync, .classes = kSyncCalls, .names = Names::fd},
    {.number = SYS_sync_file_range, .classes = kSyncCalls, .names = Names::fd},
    {.number = SYS_syncfs, .classes = kSyncCalls, .names = Names::fd},
    {.number = SYS_msync, .classes = kSyncCalls, .names = Names::mapping},
    {.number = SYS_write, .classes = kWriteCalls, .names = Names::fd, .bytes = 2, .grows = true},
    {.number = SYS_pwrite64, .classes = kWriteCalls, .names = Names::fd, .bytes = 2, .grows = true},
    {.number = SYS_writev, .classes = kWriteCalls, .names = Names::fd, .vector = 1, .grows = true},
    {.number = SYS_pwritev, .classes = kWriteCalls, .names = Names::fd, .vector = 1, .grows = true},
    {.number = SYS_pwritev2, .classes = kWriteCalls, .names = Names::fd, .vector = 1, .grows = true},
    {.number = SYS_fallocate, .classes = kWriteCalls, .names = Names::fd, .bytes = 3, .grows = true},
    {.number = SYS_ftruncate, .classes = kWriteCalls, .names = Names::fd},
    {.number = SYS_truncate, .classes = kWriteCalls, .names = Names::path},
    {.number = SYS_copy_file_range, .classes = kWriteCalls, .names = Names::fd, .at = 2, .bytes = 4,
     .grows = true},
    {.number = SYS_splice, .classes = kWriteCalls, .names = Names::fd, .at = 2, .bytes = 4,
     .grows = true},
    {.number = SYS_sendfile, .classes = kWriteCalls, .names = Names::fd, .bytes = 3, .grows = true},
    {.number = SYS_read, .classes = kReadCalls, .names = Names::fd},
    {.number = SYS_pread64, .classes = kReadCalls, .names = Names::fd},
    {.number = SYS_readv, .classes = kReadCalls, .names = Names::fd},
    {.number = SYS_preadv, .classes = kReadCalls, .names = Names::fd},
    {.number = SYS_preadv2, .classes = kReadCalls, .names = Names::fd},
    {.number = SYS_openat, .classes = kOpenCalls, .names = Names::fd_path, .open_flags = 2},
    {.number = SYS_openat2, .classes = kOpenCalls, .names = Names::fd_path},
    {.number = SYS_mkdirat, .classes = kCreateCalls, .names = Names::fd_path, .grows = true},
    {.number = SYS_linkat, .classes = kCreateCalls, .names = Names::fd_path_twice, .grows = true},
    {.number = SYS_symlinkat, .classes = kCreateCalls, .names = Names::fd_path, .at = 1,
     .grows = true},
    {.number = SYS_renameat2, .classes = kNameCalls, .names = Names::fd_path_twice},
    {.number = SYS_unlinkat, .classes = kNameCalls, .names = Names::fd_path},
#ifdef SYS_open  // the older ones, which newer architectures lack
    {.number = SYS_open, .classes = kOpenCalls, .names = Names::path, .open_flags = 1},
    {.number = SYS_creat, .classes = kOpenCalls | kCreateCalls, .names = Names::path, .grows = true},
    {.number = SYS_mkdir, .classes = kCreateCalls, .names = Names::path, .grows = true},
    {.number = SYS_link, .classes = kCreateCalls, .names = Names::path_twice, .grows = true},
    {.number = SYS_symlink, .classes = kCreateCalls, .names = Names::path, .at = 1, .grows = true},
    {.number = SYS_rename, .classes = kNameCalls, .names = Names::path_twice},
    {.number = SYS_unlink, .classes = kNameCalls, .names = Names::path},
    {.number = SYS_rmdir, .classes = kNameCalls, .names = Names::path},
#endif
#ifdef SYS_renameat
    {.number = SYS_renameat, .classes = kNameCalls, .names = Names::fd_path_twice},
#endif
};

constexpr std::pair<std::string_view, CallClass> kWords[]{
    {"fsync", kSyncCalls}, {"write", kWriteCalls},   {"read", kReadCalls},
    {"open", kOpenCalls},  {"create", kCreateCalls}, {"rename", kNameCalls}};

const Spec* spec_of(int number) {
  const auto* found = std::find_if(std::begin(kSpecs), std::end(kSpecs),
                                   [&](const Spec& spec) { return spec.number == number; });
  return found == std::end(kSpecs) ? nullptr : found;
}

// __O_TMPFILE, the bit of O_TMPFILE which is not O_DIRECTORY's.
constexpr std::uint64_t kCreating = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);

std::optional<std::string> mapped_file(const HeldCall& call, std::uint64_t address) {
  std::ifstream maps(fmt::format("/proc/{}/maps", call.tid()));
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t begin = 0, end = 0;
    char dash = 0;
    std::istringstream in(line);
    if (!(in >> std::hex >> begin >> dash >> end) || address < begin || address >= end) continue;
    const std::size_t at = line.find('/');
    if (at == std::string::npos || !call.waits()) return std::nullopt;
    return line.substr(at);
  }
  return std::nullopt;
}

std::uint64_t bytes_of_vector(const HeldCall& call, unsigned index) {
  const std::size_t count = std::min<std::uint64_t>(call.argument(index + 1), IOV_MAX);
  std::vector<iovec> vector(count);
  if (!call.read(call.argument(index), std::as_writable_bytes(std::span(vector)))) return 0;
  std::uint64_t bytes = 0;
  for (const auto& part : vector) bytes += part.iov_len;
  return bytes;
}

std::vector<std::optional<std::string>> names_of(const HeldCall& call, const Spec& spec) {
  const unsigned at = spec.at;
  switch (spec.names) {
    case Names::fd: return {call.path_of(call.int_argument(at))};
    case Names::path: return {call.path_at(call.argument(at))};
    case Names::path_twice:
      return {call.path_at(call.argument(at)), call.path_at(call.argument(at + 1))};
    case Names::fd_path: return {call.path_at(call.int_argument(at), call.argument(at + 1))};
    case Names::fd_path_twice:
      return {call.path_at(call.int_argument(at), call.argument(at + 1)),
              call.path_at(call.int_argument(at + 2), call.argument(at + 3))};
    case Names::mapping: return {mapped_file(call, call.argument(at))};
  }
  return {};
}

// In the node's mount namespace, which may see other files than we.
std::string in_root_of(const HeldCall& call, const std::string& path) {
  return fmt::format("/proc/{}/root{}", call.tid(), path);
}

void look_at_open(const HeldCall& call, std::uint64_t flags, FileCall& file) {
  if ((flags & kCreating) == 0) return;
  file.classes |= kCreateCalls;
  file.grows = (flags & O_CREAT) == 0 || ::access(in_root_of(call, file.paths[0]).c_str(), F_OK) != 0;
}

}  // namespace

CallClasses call_class(std::string_view word) {
  for (const auto& [name, value] : kWords)
    if (name == word) return value;
  return 0;
}

std::string_view word_of(CallClass wanted) {
  for (const auto& [name, value] : kWords)
    if (value == wanted) return name;
  return "?";
}

void trap_file_calls(SyscallTable& table, CallClasses classes,
                     const std::function<void(HeldCall)>& handler) {
  if (classes == 0) return;
  table.refuse(SYS_io_uring_setup, ENOSYS);
  if ((classes & (kWriteCalls | kReadCalls)) != 0) table.refuse(SYS_io_setup, ENOSYS);
  for (const Spec& spec : kSpecs) {
    if (spec.number == SYS_msync && (classes & kSyncCalls) != 0) {
      table.trap(spec.number, {{.index = 2, .mask = MS_SYNC, .value = MS_SYNC}}, handler);
    } else if ((spec.classes & classes) != 0) {
      table.trap(spec.number, handler);
    } else if ((classes & kCreateCalls) != 0 && spec.open_flags >= 0) {
      table.trap(spec.number,
                 {{.index = static_cast<unsigned>(spec.open_flags), .mask = kCreating, .equal = false}},
                 handler);
    } else if ((classes & kCreateCalls) != 0 && spec.number == SYS_openat2) {
      table.trap(spec.number, handler);  // its flags are in memory
    }
  }
}

std::optional<FileCall> look_at(const HeldCall& call) {
  const Spec* spec = spec_of(call.number());
  if (!spec) return std::nullopt;
  FileCall file;
  for (auto& name : names_of(call, *spec))
    if (name && name->starts_with('/')) file.paths.push_back(std::move(*name));
  if (file.paths.empty()) return std::nullopt;
  file.classes = spec->classes;
  file.grows = spec->grows;
  if (spec->bytes >= 0) file.bytes = call.argument(static_cast<unsigned>(spec->bytes));
  if (spec->vector >= 0) file.bytes = bytes_of_vector(call, static_cast<unsigned>(spec->vector));
  if (spec->open_flags >= 0)
    look_at_open(call, call.argument(static_cast<unsigned>(spec->open_flags)), file);
  if (call.number() == SYS_openat2)
    if (const auto how = call.read_value<open_how>(call.argument(2))) look_at_open(call, how->flags, file);
  if (call.number() == SYS_fallocate && (call.argument(1) & FALLOC_FL_PUNCH_HOLE) != 0) file.grows = false;
#ifdef SYS_creat
  if (call.number() == SYS_creat) look_at_open(call, O_CREAT, file);
#endif
  return file;
}

bool carry_out_sync(const HeldCall& call) {
  // A descriptor of our own: of the file, not of its name, which may be another's by now. A pipe
  // would not let us open it at once.
  std::string source = fmt::format("/proc/{}/fd/{}", call.tid(), call.int_argument(0));
  if (call.number() == SYS_msync) {
    const auto name = mapped_file(call, call.argument(0));
    if (!name) return false;
    source = in_root_of(call, *name);
  }
  const Fd fd(::open(source.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd || !call.waits()) return false;
  switch (call.number()) {
    case SYS_fdatasync: return ::fdatasync(fd.get()) == 0;
    case SYS_syncfs: return ::syncfs(fd.get()) == 0;
    case SYS_sync_file_range:
      return ::sync_file_range(fd.get(), static_cast<off64_t>(call.argument(1)),
                               static_cast<off64_t>(call.argument(2)),
                               static_cast<unsigned>(call.argument(3))) == 0;
    default: return ::fsync(fd.get()) == 0;
  }
}

}  // namespace gameday::lab
