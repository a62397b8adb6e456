#include "harness/lab/fuse_server.h"

#define FUSE_USE_VERSION 34
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "harness/lab/disk_backend.h"
#include "harness/lab/fd.h"
#include "harness/lab/volatile_fs.h"

namespace gameday::lab {
namespace {

using Ref = VolatileFs::Ref;
using Attributes = VolatileFs::Attributes;

// Nobody else changes what is on the disk: the kernel may remember everything.
constexpr double kRemember = 1e6;

timespec now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return t;
}

struct stat stat_of(const VolatileFs::Inode& inode) {
  const Attributes& a = inode.now.attributes;
  struct stat s {};
  s.st_ino = inode.number;
  s.st_mode = a.mode;
  s.st_nlink = inode.links;
  s.st_uid = a.uid;
  s.st_gid = a.gid;
  s.st_rdev = a.device;
  s.st_size = static_cast<off_t>(inode.now.size);
  s.st_blksize = VolatileFs::kPage;
  s.st_blocks = static_cast<blkcnt_t>(inode.pages.size() * (VolatileFs::kPage / 512));
  s.st_atim = a.atime;
  s.st_mtim = a.mtime;
  s.st_ctim = a.ctime;
  return s;
}

// A directory as it was when it was opened.
struct Listing {
  std::vector<std::pair<std::string, Ref>> entries;
};
Listing* listing_of(const fuse_file_info* file) {
  return reinterpret_cast<Listing*>(static_cast<std::uintptr_t>(file->fh));
}

// What the kernel knows of the file system, and the file system.
class Volume {
 public:
  Volume(std::uint64_t bytes, const Attributes& root) : fs(bytes, root) {}

  VolatileFs fs;

  Ref inode(fuse_ino_t number) const {
    if (number == FUSE_ROOT_ID) return fs.root();
    const auto found = known_.find(number);
    return found == known_.end() ? nullptr : found->second.inode;
  }
  fuse_entry_param entry(const Ref& inode) {
    Known& known = known_[inode->number];
    known.inode = inode;
    ++known.lookups;
    fuse_entry_param e{};
    e.ino = inode->number;
    e.attr = stat_of(*inode);
    e.attr_timeout = e.entry_timeout = kRemember;
    return e;
  }
  void forget(fuse_ino_t number, std::uint64_t lookups) {
    const auto found = known_.find(number);
    if (found == known_.end()) return;
    if (found->second.lookups <= lookups)
      known_.erase(found);
    else
      found->second.lookups -= lookups;
  }
  void disconnect() {
    known_.clear();
    greeted = false;
  }
  bool greeted = false;  // the kernel's first request, FUSE_INIT, is answered

 private:
  struct Known {
    Ref inode;
    std::uint64_t lookups = 0;
  };
  std::unordered_map<fuse_ino_t, Known> known_;
};

Volume& volume(fuse_req_t req) { return *static_cast<Volume*>(fuse_req_userdata(req)); }

// The inode of a request. The kernel asks only for what it was given; a null would be a bug of ours.
Ref inode_of(fuse_req_t req, fuse_ino_t number) {
  Ref inode = volume(req).inode(number);
  if (!inode) fuse_reply_err(req, ESTALE);
  return inode;
}

void reply_entry(fuse_req_t req, int error, const Ref& inode) {
  if (error != 0) {
    fuse_reply_err(req, error);
    return;
  }
  const fuse_entry_param e = volume(req).entry(inode);
  fuse_reply_entry(req, &e);
}

void reply_attributes(fuse_req_t req, const Ref& inode) {
  const struct stat s = stat_of(*inode);
  fuse_reply_attr(req, &s, kRemember);
}

// Of a new inode; a folder with the set-group-id bit hands on its group, as everywhere.
Attributes fresh(fuse_req_t req, const Ref& folder, mode_t mode, dev_t device = 0) {
  const fuse_ctx* who = fuse_req_ctx(req);
  Attributes a{.mode = mode, .uid = who->uid, .gid = who->gid, .device = device};
  if ((folder->now.attributes.mode & S_ISGID) != 0) {
    a.gid = folder->now.attributes.gid;
    if (S_ISDIR(mode)) a.mode |= S_ISGID;
  }
  a.atime = a.mtime = a.ctime = now();
  return a;
}

// A file that other people may have changed now gives nobody the rights of its owner: with
// FUSE_HANDLE_KILLPRIV_V2 that is left to us.
void drop_privileges(fuse_req_t req, const Ref& inode, Attributes& a) {
  if ((a.mode & S_IXGRP) != 0) a.mode &= ~static_cast<mode_t>(S_ISGID);
  a.mode &= ~static_cast<mode_t>(S_ISUID);
  (void)volume(req).fs.remove_xattr(inode, "security.capability");
}

// --- The operations, as the kernel asks for them ---

void on_init(void*, fuse_conn_info* connection) {
  // The writeback cache makes a write(2) as cheap as on any other file system: it reaches us when
  // it is synced, closed or 30 s old. O_TRUNC comes as a change of size.
  connection->want = connection->capable &
                     (FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO |
                      FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS);
}

void on_lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
  const Ref folder = inode_of(req, parent);
  if (!folder) return;
  Ref found;
  if (const int error = volume(req).fs.lookup(*folder, name, found); error == ENOENT) {
    fuse_entry_param none{};  // to be remembered, too
    none.entry_timeout = kRemember;
    fuse_reply_entry(req, &none);
  } else {
    reply_entry(req, error, found);
  }
}

void on_forget(fuse_req_t req, fuse_ino_t number, std::uint64_t lookups) {
  volume(req).forget(number, lookups);
  fuse_reply_none(req);
}

void on_forget_multi(fuse_req_t req, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) volume(req).forget(forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

void on_getattr(fuse_req_t req, fuse_ino_t number, fuse_file_info*) {
  if (const Ref inode = inode_of(req, number)) reply_attributes(req, inode);
}

void on_setattr(fuse_req_t req, fuse_ino_t number, struct stat* to, int what, fuse_file_info*) {
  const Ref inode = inode_of(req, number);
  if (!inode) return;
  const auto asked = [&](int flag) { return (what & flag) != 0; };
  if (asked(FUSE_SET_ATTR_SIZE)) {
    if (to->st_size > static_cast<off_t>(1) << 46) {
      fuse_reply_err(req, EFBIG);
      return;
    }
    volume(req).fs.truncate(inode, static_cast<std::uint64_t>(to->st_size));
  }
  Attributes a = inode->now.attributes;
  const timespec current = now();
  if (asked(FUSE_SET_ATTR_MODE)) a.mode = (a.mode & S_IFMT) | (to->st_mode & ~S_IFMT);
  if (asked(FUSE_SET_ATTR_UID)) a.uid = to->st_uid;
  if (asked(FUSE_SET_ATTR_GID)) a.gid = to->st_gid;
  if (asked(FUSE_SET_ATTR_ATIME)) a.atime = to->st_atim;
  if (asked(FUSE_SET_ATTR_ATIME_NOW)) a.atime = current;
  if (asked(FUSE_SET_ATTR_MTIME)) a.mtime = to->st_mtim;
  if (asked(FUSE_SET_ATTR_MTIME_NOW) || asked(FUSE_SET_ATTR_SIZE)) a.mtime = current;
  const bool owner = asked(FUSE_SET_ATTR_UID) || asked(FUSE_SET_ATTR_GID);
  if (S_ISREG(a.mode) && (owner || asked(FATTR_KILL_SUIDGID))) drop_privileges(req, inode, a);
  a.ctime = asked(FUSE_SET_ATTR_CTIME) ? to->st_ctim : current;
  volume(req).fs.set_attributes(inode, a);
  reply_attributes(req, inode);
}

void on_readlink(fuse_req_t req, fuse_ino_t number) {
  if (const Ref inode = inode_of(req, number)) fuse_reply_readlink(req, inode->target.c_str());
}

void make_node(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t device,
               const char* target) {
  const Ref folder = inode_of(req, parent);
  if (!folder) return;
  Ref made;
  const int error =
      volume(req).fs.create(folder, name, fresh(req, folder, mode, device), target, made);
  reply_entry(req, error, made);
}
void on_mknod(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  make_node(req, parent, name, mode, device, "");
}
void on_mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode) {
  make_node(req, parent, name, (mode & ~S_IFMT) | S_IFDIR, 0, "");
}
void on_symlink(fuse_req_t req, const char* target, fuse_ino_t parent, const char* name) {
  make_node(req, parent, name, S_IFLNK | 0777, 0, target);
}

void remove_name(fuse_req_t req, fuse_ino_t parent, const char* name, bool directory) {
  if (const Ref folder = inode_of(req, parent))
    fuse_reply_err(req, volume(req).fs.remove(folder, name, directory, now()));
}
void on_unlink(fuse_req_t req, fuse_ino_t parent, const char* name) {
  remove_name(req, parent, name, false);
}
void on_rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
  remove_name(req, parent, name, true);
}

void on_rename(fuse_req_t req, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
               const char* new_name, unsigned flags) {
  const Ref from = volume(req).inode(parent), to = volume(req).inode(new_parent);
  fuse_reply_err(req, from && to
                          ? volume(req).fs.rename(from, name, to, new_name, flags, now())
                          : ESTALE);
}

void on_link(fuse_req_t req, fuse_ino_t number, fuse_ino_t new_parent, const char* name) {
  const Ref inode = volume(req).inode(number), folder = volume(req).inode(new_parent);
  reply_entry(req, inode && folder ? volume(req).fs.link(inode, folder, name, now()) : ESTALE,
              inode);
}

void on_open(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  file->keep_cache = 1;
  fuse_reply_open(req, file);
}

void on_create(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t mode,
               fuse_file_info* file) {
  const Ref folder = inode_of(req, parent);
  if (!folder) return;
  Ref made;
  const mode_t regular = (mode & ~S_IFMT) | S_IFREG;
  const int error = volume(req).fs.create(folder, name, fresh(req, folder, regular), "", made);
  if (error != 0) {
    fuse_reply_err(req, error);
    return;
  }
  const fuse_entry_param e = volume(req).entry(made);
  file->keep_cache = 1;
  fuse_reply_create(req, &e, file);
}

void on_read(fuse_req_t req, fuse_ino_t number, std::size_t size, off_t offset, fuse_file_info*) {
  const Ref inode = inode_of(req, number);
  if (!inode) return;
  static std::vector<char> buffer;
  if (buffer.size() < size) buffer.resize(size);
  const std::size_t n =
      volume(req).fs.read(*inode, static_cast<std::uint64_t>(offset), {buffer.data(), size});
  fuse_reply_buf(req, buffer.data(), n);
}

void on_write(fuse_req_t req, fuse_ino_t number, const char* data, std::size_t size, off_t offset,
              fuse_file_info* file) {
  const Ref inode = inode_of(req, number);
  if (!inode) return;
  // The kernel does not put what is written to such a file into its cache.
  if (!file->writepage && (inode->now.attributes.mode & (S_ISUID | S_ISGID)) != 0) {
    Attributes a = inode->now.attributes;
    drop_privileges(req, inode, a);
    volume(req).fs.set_attributes(inode, a);
  }
  const int error =
      volume(req).fs.write(inode, static_cast<std::uint64_t>(offset), {data, size});
  if (error != 0)
    fuse_reply_err(req, error);
  else
    fuse_reply_write(req, size);
}

void on_fsync(fuse_req_t req, fuse_ino_t number, int data_only, fuse_file_info*) {
  const Ref inode = inode_of(req, number);
  if (!inode) return;
  volume(req).fs.sync(inode, data_only != 0);
  fuse_reply_err(req, 0);
}

void on_fallocate(fuse_req_t req, fuse_ino_t number, int mode, off_t offset, off_t length,
                  fuse_file_info*) {
  const Ref inode = inode_of(req, number);
  if (!inode) return;
  VolatileFs& fs = volume(req).fs;
  const auto from = static_cast<std::uint64_t>(offset), size = static_cast<std::uint64_t>(length);
  const bool keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
  const int what = mode & ~FALLOC_FL_KEEP_SIZE;
  int error = 0;
  if (what != 0 && what != FALLOC_FL_PUNCH_HOLE && what != FALLOC_FL_ZERO_RANGE)
    error = EOPNOTSUPP;
  else if (what != FALLOC_FL_PUNCH_HOLE && !fs.room_for(size))
    error = ENOSPC;
  else {
    if (!keep_size && from + size > inode->now.size) fs.truncate(inode, from + size);
    if (what != 0) fs.zero(inode, from, size);
  }
  fuse_reply_err(req, error);
}

void on_opendir(fuse_req_t req, fuse_ino_t number, fuse_file_info* file) {
  const Ref folder = inode_of(req, number);
  if (!folder) return;
  auto listing = std::make_unique<Listing>();
  listing->entries = {{".", folder}, {"..", folder}};
  for (const auto& [name, child] : folder->now.entries) listing->entries.emplace_back(name, child);
  file->fh = reinterpret_cast<std::uintptr_t>(listing.get());
  if (fuse_reply_open(req, file) == 0) (void)listing.release();  // until on_releasedir
}

void on_releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  delete listing_of(file);
  fuse_reply_err(req, 0);
}

void list_folder(fuse_req_t req, std::size_t size, off_t offset, const fuse_file_info* file,
                 bool with_attributes) {
  const auto& entries = listing_of(file)->entries;
  std::vector<char> buffer(size);
  std::size_t filled = 0;
  for (auto i = static_cast<std::size_t>(offset); i < entries.size(); ++i) {
    const auto& [name, inode] = entries[i];
    // Gone meanwhile: the kernel would believe in it again.
    Ref found;
    if (i >= 2 && (volume(req).fs.lookup(*entries[0].second, name, found) != 0 || found != inode))
      continue;
    const auto next = static_cast<off_t>(i + 1);
    char* at = buffer.data() + filled;
    std::size_t needed = 0;
    if (with_attributes) {
      fuse_entry_param e{};
      e.attr = stat_of(*inode);
      needed = fuse_add_direntry_plus(req, nullptr, 0, name.c_str(), nullptr, 0);
      if (needed > size - filled) break;
      if (i >= 2) e = volume(req).entry(inode);  // not "." and "..": the kernel forgets neither
      needed = fuse_add_direntry_plus(req, at, size - filled, name.c_str(), &e, next);
    } else {
      const struct stat s = stat_of(*inode);
      needed = fuse_add_direntry(req, at, size - filled, name.c_str(), &s, next);
      if (needed > size - filled) break;
    }
    filled += needed;
  }
  fuse_reply_buf(req, buffer.data(), filled);
}
void on_readdir(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* file) {
  list_folder(req, size, offset, file, false);
}
void on_readdirplus(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset,
                    fuse_file_info* file) {
  list_folder(req, size, offset, file, true);
}

void on_statfs(fuse_req_t req, fuse_ino_t) {
  const VolatileFs& fs = volume(req).fs;
  struct statvfs s {};
  s.f_bsize = s.f_frsize = VolatileFs::kPage;
  s.f_blocks = fs.capacity() / VolatileFs::kPage;
  s.f_bfree = s.f_bavail = s.f_blocks - std::min(s.f_blocks, fs.used() / VolatileFs::kPage);
  s.f_files = s.f_blocks;
  s.f_ffree = s.f_favail = s.f_bfree;
  s.f_namemax = 255;
  fuse_reply_statfs(req, &s);
}

void reply_xattr(fuse_req_t req, const std::string& value, std::size_t size) {
  if (size == 0)
    fuse_reply_xattr(req, value.size());
  else if (size < value.size())
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, value.data(), value.size());
}
void on_getxattr(fuse_req_t req, fuse_ino_t number, const char* name, std::size_t size) {
  const Ref inode = inode_of(req, number);
  if (!inode) return;
  const auto found = inode->now.xattrs.find(name);
  if (found == inode->now.xattrs.end())
    fuse_reply_err(req, ENODATA);
  else
    reply_xattr(req, found->second, size);
}
void on_listxattr(fuse_req_t req, fuse_ino_t number, std::size_t size) {
  const Ref inode = inode_of(req, number);
  if (!inode) return;
  std::string names;
  for (const auto& [name, value] : inode->now.xattrs) names += name + '\0';
  reply_xattr(req, names, size);
}
void on_setxattr(fuse_req_t req, fuse_ino_t number, const char* name, const char* value,
                 std::size_t size, int flags) {
  if (const Ref inode = inode_of(req, number))
    fuse_reply_err(req, volume(req).fs.set_xattr(inode, name, {value, size}, flags));
}
void on_removexattr(fuse_req_t req, fuse_ino_t number, const char* name) {
  if (const Ref inode = inode_of(req, number))
    fuse_reply_err(req, volume(req).fs.remove_xattr(inode, name));
}

// Locks are the kernel's own, as on any local file system, when there are no handlers for them.
fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.init = on_init;
  ops.lookup = on_lookup;
  ops.forget = on_forget;
  ops.forget_multi = on_forget_multi;
  ops.getattr = on_getattr;
  ops.setattr = on_setattr;
  ops.readlink = on_readlink;
  ops.mknod = on_mknod;
  ops.mkdir = on_mkdir;
  ops.symlink = on_symlink;
  ops.unlink = on_unlink;
  ops.rmdir = on_rmdir;
  ops.rename = on_rename;
  ops.link = on_link;
  ops.open = on_open;
  ops.create = on_create;
  ops.read = on_read;
  ops.write = on_write;
  ops.fsync = on_fsync;
  ops.fsyncdir = on_fsync;
  ops.fallocate = on_fallocate;
  ops.opendir = on_opendir;
  ops.releasedir = on_releasedir;
  ops.readdir = on_readdir;
  ops.readdirplus = on_readdirplus;
  ops.statfs = on_statfs;
  ops.getxattr = on_getxattr;
  ops.listxattr = on_listxattr;
  ops.setxattr = on_setxattr;
  ops.removexattr = on_removexattr;
  return ops;
}

// --- The connection ---

ssize_t receive(int fd, void* buffer, std::size_t size, void*) { return ::read(fd, buffer, size); }

// Without FUSE_HANDLE_KILLPRIV_V2 the kernel looks for security.capability before each write(2), in its
// cache or not: a round trip for a few bytes. libfuse 3.14 has no word for it; kernels before 5.12
// ignore it.
ssize_t reply(int fd, iovec* parts, int count, void* userdata) {
  auto& greeted = static_cast<Volume*>(userdata)->greeted;
  if (!std::exchange(greeted, true) && count == 2 &&
      parts[1].iov_len >= offsetof(fuse_init_out, max_background))
    static_cast<fuse_init_out*>(parts[1].iov_base)->flags |= FUSE_HANDLE_KILLPRIV_V2;
  return ::writev(fd, parts, count);
}

constexpr fuse_custom_io kConnection{
    .writev = reply, .read = receive, .splice_receive = nullptr, .splice_send = nullptr};

// --- The process ---

class Server {
 public:
  ~Server() { unmount(); }

  // Until the controller is gone.
  int run() {
    for (;;) {
      std::array<pollfd, 2> fds{{{kDiskSocket, POLLIN, 0}, {fuse_fd_, POLLIN, 0}}};
      if (::poll(fds.data(), session_ ? 2 : 1, -1) < 0 && errno != EINTR) return 1;
      if (session_ && fds[1].revents != 0 && !serve()) return 1;
      if (fds[0].revents != 0 && !obey()) return 0;
    }
  }

 private:
  // All requests that wait. False: the file system was unmounted by somebody else.
  bool serve() {
    for (;;) {
      const int n = fuse_session_receive_buf(session_, &buffer_);
      if (n == -EAGAIN || n == -EINTR) return true;
      if (n <= 0) return false;
      fuse_session_process_buf(session_, &buffer_);
    }
  }

  bool obey() {
    std::array<char, 8192> text;
    const ssize_t n = ::recv(kDiskSocket, text.data(), text.size(), 0);
    if (n <= 0) return n < 0 && errno == EINTR;
    const Json request =
        Json::parse(std::string_view(text.data(), static_cast<std::size_t>(n)), nullptr, false);
    Json answer = Json::object();
    Status status;
    if (request.value("do", "") == "mount") {
      directory_ = request.value("directory", "");
      Attributes root{.mode = S_IFDIR | 0755, .uid = ::geteuid(), .gid = ::getegid()};
      root.atime = root.mtime = root.ctime = now();
      volume_ = std::make_unique<Volume>(request.value("bytes", kDiskBytes), root);
      status = mount();
    } else if (request.value("do", "") == "sync") {
      if (session_) (void)serve();  // what the kernel has handed over of its cache
      volume_->fs.sync_all();
    } else {
      std::optional<Tear> tear;
      if (request.contains("seed"))
        tear = Tear{request.at("seed"), request.value("sector", 512U)};
      if (session_) (void)serve();
      unmount();
      volume_->disconnect();
      answer["torn"] = volume_->fs.power_loss(tear);
      status = mount();
    }
    if (!status) answer["error"] = status.error().message;
    const std::string line = answer.dump();
    return ::send(kDiskSocket, line.data(), line.size(), MSG_NOSIGNAL) >= 0;
  }

  Status mount() {
    Fd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return fail_errno("cannot open /dev/fuse");
    // allow_other: a server may run as another user than root; the kernel checks permissions.
    const std::string options =
        fmt::format("fd={},rootmode=40755,user_id={},group_id={},allow_other,default_permissions",
                    fd.get(), ::geteuid(), ::getegid());
    if (::mount("gameday", directory_.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
      return fail_errno("cannot mount a FUSE disk on " + directory_);
    char name[] = "gameday";
    char* argv[] = {name, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, argv);
    static const fuse_lowlevel_ops ops = operations();
    session_ = fuse_session_new(&args, &ops, sizeof ops, volume_.get());
    fuse_opt_free_args(&args);
    if (!session_ || fuse_session_custom_io(session_, &kConnection, fd.get()) != 0)
      return fail("cannot serve a FUSE disk");
    fuse_fd_ = fd.release();  // the session closes it
    return {};
  }

  // First the connection, so that nothing that unmounting has to wait for can wait for us.
  void unmount() {
    if (!session_) return;
    fuse_session_destroy(std::exchange(session_, nullptr));
    ::umount2(directory_.c_str(), MNT_DETACH);
  }

  std::string directory_;
  std::unique_ptr<Volume> volume_;
  fuse_session* session_ = nullptr;
  int fuse_fd_ = -1;
  fuse_buf buffer_{};
};

}  // namespace

int serve_fuse_disk() {
  ::syscall(SYS_close_range, kDiskSocket + 1, ~0U, 0);
  ::fcntl(kDiskSocket, F_SETFD, FD_CLOEXEC);
  ::umask(0);
  return Server().run();
}

}  // namespace gameday::lab
