#include "harness/lab/test_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <map>
#include <sstream>

#include "harness/lab/fd.h"

namespace gameday::lab::testing {
namespace {

struct Arguments {
  std::string path, more;
  int fd = -1;  // of the path, opened before the clock runs
  std::size_t bytes() const { return more.empty() ? 1 : std::stoul(more); }
};
using Call = std::function<long(const Arguments&)>;

long write_some(const Arguments& a) {
  const std::string text(a.bytes(), 'x');
  return ::write(a.fd, text.data(), text.size());
}

long write_vector(const Arguments& a) {
  std::string text(a.bytes(), 'x');
  const std::array<iovec, 2> parts{{{text.data(), text.size() / 2},
                                    {text.data(), text.size() - text.size() / 2}}};
  return ::writev(a.fd, parts.data(), 2);
}

long sync_mapping(const Arguments& a) {
  constexpr std::size_t kPage = 4096;
  void* memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, a.fd, 0);
  if (memory == MAP_FAILED) return -1;
  static_cast<char*>(memory)[0] = 'm';
  const long result = ::msync(memory, kPage, MS_SYNC);
  const int error = errno;
  ::munmap(memory, kPage);
  errno = error;
  return result;
}

long open_it(const Arguments& a, int flags) {
  const Fd fd(::open(a.path.c_str(), flags | O_CLOEXEC, 0600));
  return fd.get();
}

const std::map<std::string, Call> kOnOpen{
    {"fsync", [](auto& a) { return ::fsync(a.fd); }},
    {"fdatasync", [](auto& a) { return ::fdatasync(a.fd); }},
    {"msync", sync_mapping},
    {"sync_file_range", [](auto& a) { return ::sync_file_range(a.fd, 0, 0, SYNC_FILE_RANGE_WRITE); }},
    {"syncfs", [](auto& a) { return ::syncfs(a.fd); }},
    {"write", write_some},
    {"writev", write_vector},
    {"pwrite", [](auto& a) { return ::pwrite(a.fd, "x", 1, 0); }},
    {"fallocate", [](auto& a) { return ::fallocate(a.fd, 0, 0, static_cast<off_t>(a.bytes())); }},
    {"ftruncate", [](auto& a) { return ::ftruncate(a.fd, static_cast<off_t>(a.bytes())); }},
    {"copy_file_range",
     [](auto& a) { return ::syscall(SYS_copy_file_range, a.fd, nullptr, a.fd, nullptr, 1, 0); }},
    {"read", [](auto& a) {
       char byte = 0;
       return ::pread(a.fd, &byte, 1, 0);
     }}};

const std::map<std::string, Call> kOnPath{
    {"open", [](auto& a) { return open_it(a, O_RDONLY); }},
    {"append", [](auto& a) { return open_it(a, O_WRONLY | O_CREAT | O_APPEND); }},
    {"create", [](auto& a) { return open_it(a, O_WRONLY | O_CREAT | O_EXCL); }},
    {"mkdir", [](auto& a) { return ::mkdir(a.path.c_str(), 0700); }},
    {"rename", [](auto& a) { return ::rename(a.path.c_str(), a.more.c_str()); }},
    {"link", [](auto& a) { return ::link(a.path.c_str(), a.more.c_str()); }},
    {"unlink", [](auto& a) { return ::unlink(a.path.c_str()); }},
    {"io_uring_setup", [](auto&) { return ::syscall(SYS_io_uring_setup, 1, nullptr); }}};

}  // namespace

std::string file_call(const std::string& words) {
  std::istringstream in(words);
  std::string call;
  Arguments arguments;
  in >> call >> arguments.path >> arguments.more;
  const bool on_open = kOnOpen.contains(call);
  if (!on_open && !kOnPath.contains(call)) return "which call?";
  Fd fd;
  if (on_open) {
    struct stat status {};
    const bool folder = ::stat(arguments.path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    fd = Fd(::open(arguments.path.c_str(), folder ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC,
                   0600));
    if (!fd) return fmt::format("cannot open: {}", errno);
    arguments.fd = fd.get();
  }
  const auto begin = std::chrono::steady_clock::now();
  const long result = on_open ? kOnOpen.at(call)(arguments) : kOnPath.at(call)(arguments);
  const int error = result < 0 ? errno : 0;
  const auto took = std::chrono::steady_clock::now() - begin;
  return fmt::format("{} {}", error,
                     std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
}

}  // namespace gameday::lab::testing
