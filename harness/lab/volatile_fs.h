// A file system in memory that remembers what of it was synced, with the contract of disk.h. Pure:
// no kernel, no clock. Served to one by fuse_disk.cc. One thread.
//
// Everything is there twice: `now`, as programs see it, and `durable`, as it would be found after a
// power loss. Metadata operations change `now` and are put in a log; a sync applies the whole log to
// `durable`, in order. Of file data only the pages that differ are there twice.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "harness/core/rng.h"
#include "harness/lab/disk.h"

namespace gameday::lab {

class VolatileFs {
 public:
  static constexpr std::uint64_t kPage = 4096;

  struct Inode;
  using Ref = std::shared_ptr<Inode>;

  struct Attributes {
    mode_t mode = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    dev_t device = 0;
    timespec atime{}, mtime{}, ctime{};
  };
  struct State {
    Attributes attributes;
    std::uint64_t size = 0;
    std::map<std::string, std::string> xattrs;
    std::map<std::string, Ref> entries;
  };
  struct Page {
    using Bytes = std::array<char, kPage>;
    std::unique_ptr<Bytes> now, before;  // null: a hole. `before` counts only if dirty
    bool dirty = false;
  };
  struct Inode {
    std::uint64_t number = 0;
    std::string target;  // of a symbolic link
    State now, durable;
    nlink_t links = 0;  // now
    // Between which commits it was last changed, and made or given another size: if since the last
    // one, an fsync commits; for the second, also an fdatasync.
    std::uint64_t changed = 0, resized = 0;
    std::unordered_map<std::uint64_t, Page> pages;
    std::vector<std::uint64_t> dirty;
    const std::shared_ptr<std::uint64_t> used_pages;  // of the whole file system

    explicit Inode(std::shared_ptr<std::uint64_t> used) : used_pages(std::move(used)) {}
    ~Inode() { *used_pages -= pages.size(); }
    Inode(const Inode&) = delete;
    Inode& operator=(const Inode&) = delete;
    bool is_directory() const;
    void drop_page(std::unordered_map<std::uint64_t, Page>::iterator page);
  };

  VolatileFs(std::uint64_t capacity, const Attributes& root);

  const Ref& root() const { return root_; }
  std::uint64_t capacity() const { return capacity_; }
  std::uint64_t used() const { return *used_pages_ * kPage; }
  bool room_for(std::uint64_t bytes);  // makes all metadata durable if there is none otherwise

  // These return 0 or an errno; `at` is what time stamps are set to.
  int lookup(const Inode& folder, const std::string& name, Ref& found) const;
  int create(const Ref& folder, const std::string& name, const Attributes& attributes,
             const std::string& target, Ref& made);
  int link(const Ref& inode, const Ref& folder, const std::string& name, timespec at);
  int remove(const Ref& folder, const std::string& name, bool directory, timespec at);
  int rename(const Ref& from, const std::string& name, const Ref& to, const std::string& new_name,
             unsigned flags, timespec at);  // flags: renameat2(2)
  int write(const Ref& inode, std::uint64_t offset, std::span<const char> data);
  int set_xattr(const Ref& inode, const std::string& name, std::string value, int flags);
  int remove_xattr(const Ref& inode, const std::string& name);

  void set_attributes(const Ref& inode, const Attributes& attributes);
  void truncate(const Ref& inode, std::uint64_t size);
  void zero(const Ref& inode, std::uint64_t offset, std::uint64_t size);  // within the file
  std::size_t read(const Inode& inode, std::uint64_t offset, std::span<char> data) const;

  void sync(const Ref& inode, bool data_only);  // fsync, fdatasync
  void sync_all();                              // syncfs

  // `now` becomes what is durable. With a Tear: what it did, in numbers.
  Json power_loss(const std::optional<Tear>& tear);

 private:
  struct Change {
    enum class Kind : std::uint8_t { enter, remove, attributes, truncate, set_xattr, remove_xattr };
    Kind kind;
    Ref inode;  // whose `durable` it changes
    std::string name = {}, value = {};
    Ref child = {};
    Attributes attributes = {};
    std::uint64_t size = 0;
  };
  using Operation = std::vector<Change>;  // as a whole or not at all

  void record(Operation operation);
  void commit();
  static void apply(const Change& change);
  static Change enter(const Ref& folder, const std::string& name, const Ref& child);
  static Change leave(const Ref& folder, const std::string& name, const Ref& child);
  static Change touch(const Ref& inode, timespec at);
  static void detach(const Ref& child);
  static Page& dirty_page(Inode& inode, std::uint64_t index, bool keep_content);
  static void truncate_durable(Inode& inode, std::uint64_t size);
  void tear_data(Inode& inode, const Tear& tear, Rng& rng, Json& report) const;
  static void roll_back(const Ref& inode);

  const std::uint64_t capacity_;
  const std::shared_ptr<std::uint64_t> used_pages_ = std::make_shared<std::uint64_t>(0);
  std::uint64_t last_number_ = 1, commits_ = 1;
  Ref root_;
  std::deque<Operation> log_;
  struct {
    std::weak_ptr<Inode> inode;
    std::uint64_t offset = 0, size = 0;
  } last_write_;
};

}  // namespace gameday::lab
