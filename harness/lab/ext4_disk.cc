// ext4 on a loop device on a memfd. Shutting the file system down without flushing its journal is
// what a power loss leaves: nothing more is written, and mounting again replays the journal.
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "harness/lab/disk_backend.h"
#include "harness/lab/fd.h"
#include "harness/lab/namespaces.h"
#include "harness/lab/spawn.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;

// As in fs/ext4/ext4.h; <linux/fs.h> has names for them since Linux 6.10 only.
constexpr unsigned long kShutdown = _IOR('X', 125, std::uint32_t);
constexpr std::uint32_t kNoLogFlush = 2;

// What Debian's mke2fs.conf makes (which is not read: a machine may have its own), in a few ms:
// nothing is written ahead, and the journal is small, but not full soon.
constexpr std::array kMke2fs{
    "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0", "-J", "size=16", "-O",
    "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,"
    "huge_file,dir_nlink,extra_isize,metadata_csum",
    "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"};

// No commit on its own, and no flush at a rename over another file: ext4(5) has both to spare
// programs that forget to sync, who are the ones to be found.
constexpr const char* kMountOptions = "commit=86400,noauto_da_alloc";

// Our pid as /proc knows us, which may be that of an outer namespace.
std::string proc_path(const Fd& fd) {
  std::array<char, 32> self{};
  if (::readlink("/proc/self", self.data(), self.size() - 1) <= 0) return {};
  return fmt::format("/proc/{}/fd/{}", self.data(), fd.get());
}

Status make_file_system(const Fd& image) {
  const auto netns = current_netns();
  if (!netns) return tl::make_unexpected(netns.error());
  std::vector<std::string> argv{find_tool({"mke2fs", "mkfs.ext4"})};
  argv.insert(argv.end(), kMke2fs.begin(), kMke2fs.end());
  argv.push_back(proc_path(image));
  auto made = run_tool(argv, "", netns->get(), {{"MKE2FS_CONFIG", "/dev/null"}});
  if (!made) return tl::make_unexpected(made.error());
  if (made->exit != 0) return fail("mke2fs failed: {}", made->err);
  return {};
}

struct Loop {
  std::string path;
  Fd fd;  // keeps the device over the moments in which it is not mounted
};

// The device goes when nobody has it open or mounted any more: LO_FLAGS_AUTOCLEAR.
Result<Loop> attach(const Fd& image) {
  const Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control) return fail_errno("cannot open /dev/loop-control");
  for (int attempt = 0; attempt < 100; ++attempt) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return fail_errno("no free loop device");
    Loop loop{fmt::format("/dev/loop{}", number), {}};
    loop.fd.reset(::open(loop.path.c_str(), O_RDWR | O_CLOEXEC));
    if (!loop.fd) return fail_errno("cannot open " + loop.path);
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(image.get());
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    std::strcpy(reinterpret_cast<char*>(config.info.lo_file_name), "gameday disk");
    if (::ioctl(loop.fd.get(), LOOP_CONFIGURE, &config) == 0) return loop;
    if (errno != EBUSY) return fail_errno("cannot set up " + loop.path);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // somebody else was quicker
  }
  return fail("no loop device to be had: others take each first");
}

class Ext4Disk final : public Disk {
 public:
  Ext4Disk(fs::path directory, Fd image, Loop loop)
      : Disk(std::move(directory)), image_(std::move(image)), loop_(std::move(loop)) {}
  ~Ext4Disk() override { ::umount2(directory().c_str(), MNT_DETACH); }

  std::string_view backend() const override { return "ext4"; }

  Status mount() const {
    if (::mount(loop_.path.c_str(), directory().c_str(), "ext4", MS_NOSUID | MS_NODEV,
                kMountOptions) == 0)
      return {};
    return fail_errno(fmt::format("cannot mount {} on {}", loop_.path, directory().string()));
  }

 protected:
  Result<Json> cut(const std::optional<Tear>& tear) override {
    if (tear) return fail("an ext4 disk cannot tear writes");
    {
      const Fd fd(::open(directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      std::uint32_t how = kNoLogFlush;
      if (!fd || ::ioctl(fd.get(), kShutdown, &how) != 0)
        return fail_errno(fmt::format("cannot shut {} down", directory().string()));
    }
    if (::umount2(directory().c_str(), MNT_DETACH) != 0)
      return fail_errno(fmt::format("cannot unmount {}", directory().string()));
    if (auto status = wait_until_unused(); !status) return tl::make_unexpected(status.error());
    if (auto status = mount(); !status) return tl::make_unexpected(status.error());
    return Json();
  }

 private:
  // A mount is only gone for good a moment after the last process that had it in its namespace
  // (mntput of an exiting task is deferred). Until then the device belongs to the old file system,
  // and mounting it would give that one back.
  Status wait_until_unused() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
      const Fd exclusive(::open(loop_.path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
      if (exclusive) return {};
      if (errno != EBUSY || std::chrono::steady_clock::now() > deadline)
        return fail_errno(fmt::format("{} is still in use after a power loss", directory().string()));
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }

  const Fd image_;
  const Loop loop_;
};

// The kernel mounts block devices for the first user namespace only.
bool in_first_user_namespace() {
  std::ifstream in("/proc/self/uid_map");
  std::uint64_t inside = 1, outside = 1, count = 0;
  in >> inside >> outside >> count;
  return inside == 0 && outside == 0 && count == 0xffffffff;
}

}  // namespace

Status ext4_available() {
  if (::geteuid() != 0 || !in_first_user_namespace())
    return fail("ext4 on a loop device needs root (run as root: sudo gameday ...)");
  const Fd control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control)
    return fail("ext4 needs loop devices, and /dev/loop-control cannot be opened: {} (modprobe loop)",
                std::strerror(errno));
  if (find_tool({"mke2fs", "mkfs.ext4"}).empty())
    return fail("ext4 needs mke2fs (apt install e2fsprogs)");
  return {};
}

Result<std::unique_ptr<Disk>> create_ext4_disk(const Disk::Options& options) {
  Fd image(::memfd_create("gameday-disk", MFD_CLOEXEC));
  if (!image || ::ftruncate(image.get(), static_cast<off_t>(options.bytes)) != 0)
    return fail_errno("cannot make the image of a disk");
  if (auto made = make_file_system(image); !made) return tl::make_unexpected(made.error());
  auto loop = attach(image);
  if (!loop) return tl::make_unexpected(loop.error());
  auto disk = std::make_unique<Ext4Disk>(options.directory, std::move(image), std::move(*loop));
  if (auto status = disk->mount(); !status) return tl::make_unexpected(status.error());
  return disk;
}

}  // namespace gameday::lab
