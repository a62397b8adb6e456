#include "harness/lab/volatile_fs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>

namespace gameday::lab {
namespace {

// A log that nobody syncs must not grow for ever: then it is made durable, as a journal that is full.
constexpr std::size_t kLogLimit = 100'000;

constexpr std::uint64_t page_of(std::uint64_t offset) { return offset / VolatileFs::kPage; }

void clear_from(std::unique_ptr<VolatileFs::Page::Bytes>& bytes, std::uint64_t offset) {
  if (bytes) std::memset(bytes->data() + offset, 0, VolatileFs::kPage - offset);
}

}  // namespace

bool VolatileFs::Inode::is_directory() const { return S_ISDIR(now.attributes.mode); }

void VolatileFs::Inode::drop_page(std::unordered_map<std::uint64_t, Page>::iterator page) {
  pages.erase(page);
  --*used_pages;
}

VolatileFs::VolatileFs(std::uint64_t capacity, const Attributes& root)
    : capacity_(capacity), root_(std::make_shared<Inode>(used_pages_)) {
  root_->number = last_number_;
  root_->now.attributes = root_->durable.attributes = root;
  root_->links = 2;
}

// --- The log ---

void VolatileFs::record(Operation operation) {
  for (const Change& change : operation) {
    change.inode->changed = commits_;
    if (change.child) change.child->changed = commits_;
  }
  log_.push_back(std::move(operation));
  if (log_.size() > kLogLimit) commit();
}

void VolatileFs::apply(const Change& change) {
  State& durable = change.inode->durable;
  switch (change.kind) {
    case Change::Kind::enter: durable.entries[change.name] = change.child; break;
    case Change::Kind::remove: durable.entries.erase(change.name); break;
    case Change::Kind::attributes: durable.attributes = change.attributes; break;
    case Change::Kind::truncate: truncate_durable(*change.inode, change.size); break;
    case Change::Kind::set_xattr: durable.xattrs[change.name] = change.value; break;
    case Change::Kind::remove_xattr: durable.xattrs.erase(change.name); break;
  }
}

void VolatileFs::commit() {
  for (const Operation& operation : log_)
    for (const Change& change : operation)
      apply(change);
  log_.clear();
  ++commits_;
}

// A file whose changes another one's sync has made durable needs no commit any more.
void VolatileFs::sync(const Ref& inode, bool data_only) {
  if (inode->resized == commits_ || (!data_only && inode->changed == commits_)) commit();
  for (const std::uint64_t index : inode->dirty) {
    const auto page = inode->pages.find(index);
    page->second.before.reset();
    page->second.dirty = false;
    if (!page->second.now) inode->drop_page(page);
  }
  inode->dirty.clear();
  inode->durable.size = inode->now.size;
}

void VolatileFs::sync_all() {
  commit();
  std::vector<Ref> open{root_};
  while (!open.empty()) {
    const Ref inode = open.back();
    open.pop_back();
    sync(inode, true);
    for (const auto& [name, child] : inode->now.entries) open.push_back(child);
  }
}

// --- Names ---

VolatileFs::Change VolatileFs::enter(const Ref& folder, const std::string& name, const Ref& child) {
  folder->now.entries[name] = child;
  return {.kind = Change::Kind::enter, .inode = folder, .name = name, .child = child};
}

VolatileFs::Change VolatileFs::leave(const Ref& folder, const std::string& name, const Ref& child) {
  folder->now.entries.erase(name);
  return {.kind = Change::Kind::remove, .inode = folder, .name = name, .child = child};
}

VolatileFs::Change VolatileFs::touch(const Ref& inode, timespec at) {
  inode->now.attributes.mtime = inode->now.attributes.ctime = at;
  return {.kind = Change::Kind::attributes, .inode = inode, .attributes = inode->now.attributes};
}

// A name of it is gone. It is freed with the last reference to it.
void VolatileFs::detach(const Ref& child) { child->links -= child->is_directory() ? 2 : 1; }

int VolatileFs::lookup(const Inode& folder, const std::string& name, Ref& found) const {
  const auto entry = folder.now.entries.find(name);
  if (entry == folder.now.entries.end()) return ENOENT;
  found = entry->second;
  return 0;
}

int VolatileFs::create(const Ref& folder, const std::string& name, const Attributes& attributes,
                       const std::string& target, Ref& made) {
  if (folder->now.entries.contains(name)) return EEXIST;
  if (folder->links == 0) return ENOENT;  // removed, and still somebody's cwd
  made = std::make_shared<Inode>(used_pages_);
  made->number = ++last_number_;
  made->target = target;
  made->now.attributes = attributes;
  made->now.size = target.size();
  made->durable = made->now;  // once it has a durable name
  made->links = made->is_directory() ? 2 : 1;
  made->resized = commits_;
  if (made->is_directory()) ++folder->links;
  record({enter(folder, name, made), touch(folder, attributes.ctime)});
  return 0;
}

int VolatileFs::link(const Ref& inode, const Ref& folder, const std::string& name, timespec at) {
  if (folder->now.entries.contains(name)) return EEXIST;
  if (inode->is_directory()) return EPERM;
  if (inode->links == 0 || folder->links == 0) return ENOENT;
  ++inode->links;
  record({enter(folder, name, inode), touch(folder, at)});
  return 0;
}

int VolatileFs::remove(const Ref& folder, const std::string& name, bool directory, timespec at) {
  Ref child;
  if (const int error = lookup(*folder, name, child); error != 0) return error;
  if (directory && !child->is_directory()) return ENOTDIR;
  if (!directory && child->is_directory()) return EISDIR;
  if (!child->now.entries.empty()) return ENOTEMPTY;
  if (directory) --folder->links;
  record({leave(folder, name, child), touch(folder, at)});
  detach(child);
  return 0;
}

int VolatileFs::rename(const Ref& from, const std::string& name, const Ref& to,
                       const std::string& new_name, unsigned flags, timespec at) {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) return EINVAL;
  Ref moved, there;
  if (const int error = lookup(*from, name, moved); error != 0) return error;
  const bool taken = lookup(*to, new_name, there) == 0;
  if (to->links == 0) return ENOENT;
  if ((flags & RENAME_EXCHANGE) != 0) {
    if (!taken) return ENOENT;
    if (moved->is_directory() != there->is_directory()) {
      --(moved->is_directory() ? from : to)->links;
      ++(moved->is_directory() ? to : from)->links;
    }
    record({enter(from, name, there), enter(to, new_name, moved), touch(from, at), touch(to, at)});
    return 0;
  }
  if (taken && (flags & RENAME_NOREPLACE) != 0) return EEXIST;
  if (taken && there == moved) return 0;  // rename(2): two names of one file
  if (taken) {
    if (there->is_directory() && !moved->is_directory()) return EISDIR;
    if (!there->is_directory() && moved->is_directory()) return ENOTDIR;
    if (!there->now.entries.empty()) return ENOTEMPTY;
    if (there->is_directory()) --to->links;
  }
  if (moved->is_directory()) {
    --from->links;
    ++to->links;
  }
  record({leave(from, name, moved), enter(to, new_name, moved), touch(from, at), touch(to, at)});
  if (!taken) return 0;
  there->changed = commits_;
  detach(there);
  return 0;
}

// --- Attributes ---

void VolatileFs::set_attributes(const Ref& inode, const Attributes& attributes) {
  inode->now.attributes = attributes;
  Change change{.kind = Change::Kind::attributes, .inode = inode, .attributes = attributes};
  if (!log_.empty() && log_.back().size() == 1 && log_.back()[0].inode == inode &&
      log_.back()[0].kind == change.kind)
    log_.back()[0] = std::move(change);
  else
    record({std::move(change)});
}

int VolatileFs::set_xattr(const Ref& inode, const std::string& name, std::string value, int flags) {
  const bool there = inode->now.xattrs.contains(name);
  if (there && (flags & XATTR_CREATE) != 0) return EEXIST;
  if (!there && (flags & XATTR_REPLACE) != 0) return ENODATA;
  inode->now.xattrs[name] = value;
  record({{.kind = Change::Kind::set_xattr, .inode = inode, .name = name, .value = std::move(value)}});
  return 0;
}

int VolatileFs::remove_xattr(const Ref& inode, const std::string& name) {
  if (inode->now.xattrs.erase(name) == 0) return ENODATA;
  record({{.kind = Change::Kind::remove_xattr, .inode = inode, .name = name}});
  return 0;
}

// --- Data ---

// The page to change, what is durable of it put aside.
VolatileFs::Page& VolatileFs::dirty_page(Inode& inode, std::uint64_t index, bool keep_content) {
  const auto [found, added] = inode.pages.try_emplace(index);
  if (added) ++*inode.used_pages;
  Page& page = found->second;
  if (!page.dirty) {
    page.dirty = true;
    inode.dirty.push_back(index);
    if (page.now && keep_content)
      page.before = std::make_unique<Page::Bytes>(*page.now);
    else
      page.before = std::move(page.now);
  }
  if (!page.now) page.now = std::make_unique<Page::Bytes>();  // zeroes
  return page;
}

// What was removed needs its room until that is durable.
bool VolatileFs::room_for(std::uint64_t bytes) {
  if (used() + bytes > capacity_) commit();
  return used() + bytes <= capacity_;
}

int VolatileFs::write(const Ref& inode, std::uint64_t offset, std::span<const char> data) {
  if (!room_for(data.size())) {
    for (std::uint64_t i = page_of(offset); i <= page_of(offset + data.size() - 1); ++i)
      if (used() >= capacity_ && !inode->pages.contains(i)) return ENOSPC;
  }
  last_write_ = {inode, offset, data.size()};
  for (std::size_t done = 0; done < data.size();) {
    const std::uint64_t at = offset + done, within = at % kPage;
    const std::size_t size = std::min<std::size_t>(data.size() - done, kPage - within);
    Page& page = dirty_page(*inode, page_of(at), size < kPage);
    std::memcpy(page.now->data() + within, data.data() + done, size);
    done += size;
  }
  inode->changed = commits_;  // its time stamp, of which the kernel tells us later
  if (offset + data.size() <= inode->now.size) return 0;
  inode->now.size = offset + data.size();
  inode->resized = commits_;
  return 0;
}

std::size_t VolatileFs::read(const Inode& inode, std::uint64_t offset, std::span<char> data) const {
  if (offset >= inode.now.size) return 0;
  const std::size_t total = std::min<std::uint64_t>(data.size(), inode.now.size - offset);
  for (std::size_t done = 0; done < total;) {
    const std::uint64_t at = offset + done, within = at % kPage;
    const std::size_t size = std::min<std::size_t>(total - done, kPage - within);
    const auto page = inode.pages.find(page_of(at));
    if (page != inode.pages.end() && page->second.now)
      std::memcpy(data.data() + done, page->second.now->data() + within, size);
    else
      std::memset(data.data() + done, 0, size);
    done += size;
  }
  return total;
}

void VolatileFs::zero(const Ref& inode, std::uint64_t offset, std::uint64_t size) {
  const std::uint64_t end = std::min(offset + size, inode->now.size);
  for (std::uint64_t at = offset; at < end;) {
    const std::uint64_t within = at % kPage, part = std::min(end - at, kPage - within);
    if (inode->pages.contains(page_of(at)))
      std::memset(dirty_page(*inode, page_of(at), part < kPage).now->data() + within, 0, part);
    at += part;
  }
}

void VolatileFs::truncate(const Ref& inode, std::uint64_t size) {
  if (size < inode->now.size) {
    if (size % kPage != 0 && inode->pages.contains(page_of(size)))
      clear_from(dirty_page(*inode, page_of(size), true).now, size % kPage);
    std::vector<std::uint64_t> beyond;
    for (const auto& [index, page] : inode->pages)
      if (index * kPage >= size && page.now) beyond.push_back(index);
    for (const std::uint64_t index : beyond) dirty_page(*inode, index, false).now.reset();
  }
  inode->now.size = size;
  inode->resized = commits_;
  record({{.kind = Change::Kind::truncate, .inode = inode, .size = size}});
}

// Pages beyond the new end are dirty (truncate() has made them so) or were never there.
void VolatileFs::truncate_durable(Inode& inode, std::uint64_t size) {
  inode.durable.size = size;
  for (const std::uint64_t index : inode.dirty) {
    Page& page = inode.pages[index];
    if (index * kPage >= size)
      page.before.reset();
    else if (index == page_of(size))
      clear_from(page.before, size % kPage);
  }
}

// --- Power ---

// Which sectors of the unsynced pages are durable after all, and how long the file is.
void VolatileFs::tear_data(Inode& inode, const Tear& tear, Rng& rng, Json& report) const {
  std::sort(inode.dirty.begin(), inode.dirty.end());
  const bool last = last_write_.inode.lock().get() == &inode && last_write_.size > 0;
  const std::uint64_t last_end = last_write_.offset + last_write_.size;
  // The last write stops in its middle: all of it up to here, nothing behind.
  const std::uint64_t cut = last_write_.offset + (last ? rng.below(last_write_.size) : 0);
  const double share = rng.pick(std::vector{0.1, 0.5, 0.9});
  std::int64_t total = 0, kept = 0;
  for (const std::uint64_t index : inode.dirty) {
    Page& page = inode.pages[index];
    for (std::uint64_t from = index * kPage; page.now && from < (index + 1) * kPage;
         from += tear.sector) {
      if (from >= inode.now.size) break;  // what lies beyond the end was cut off, not written
      const bool of_last = last && from + tear.sector > last_write_.offset && from < last_end;
      ++total;
      if (!(rng.chance(share) || of_last) || (of_last && from + tear.sector > cut)) continue;
      ++kept;
      if (!page.before) page.before = std::make_unique<Page::Bytes>();
      const std::uint64_t size = std::min<std::uint64_t>(tear.sector, inode.now.size - from);
      std::memcpy(page.before->data() + from % kPage, page.now->data() + from % kPage, size);
    }
  }
  if (inode.now.size > inode.durable.size) {
    const std::uint64_t low = inode.durable.size, high = inode.now.size;
    const std::uint64_t between = low + rng.below(high - low + 1);
    const std::uint64_t sizes[]{low, high, std::max(low, between / tear.sector * tear.sector)};
    truncate_durable(inode, sizes[rng.below(3)]);
  } else {
    truncate_durable(inode, inode.durable.size);
  }
  report["sectors"] = report["sectors"].get<std::int64_t>() + total;
  report["sectors-kept"] = report["sectors-kept"].get<std::int64_t>() + kept;
}

void VolatileFs::roll_back(const Ref& inode) {
  for (const std::uint64_t index : inode->dirty) {
    const auto page = inode->pages.find(index);
    page->second.now = std::move(page->second.before);
    page->second.dirty = false;
    if (!page->second.now) inode->drop_page(page);
  }
  inode->dirty.clear();
  inode->now = inode->durable;
  inode->links = 0;
}

Json VolatileFs::power_loss(const std::optional<Tear>& tear) {
  Json report;
  Rng rng(tear ? tear->seed : 0);
  if (tear) {
    const std::size_t kept = rng.below(log_.size() + 1);
    report = {{"operations", log_.size()}, {"operations-kept", kept}, {"sectors", 0},
              {"sectors-kept", 0}};
    for (std::size_t i = 0; i < kept; ++i)
      for (const Change& change : log_[i]) apply(change);
  }
  log_.clear();
  std::unordered_set<const Inode*> seen{root_.get()};
  std::vector<Ref> open{root_};
  while (!open.empty()) {
    const Ref inode = open.back();
    open.pop_back();
    if (tear) tear_data(*inode, *tear, rng, report);
    roll_back(inode);
    for (const auto& [name, child] : inode->now.entries)
      if (seen.insert(child.get()).second) open.push_back(child);
  }
  for (open = {root_}, root_->links = 2; !open.empty();) {
    const Ref inode = open.back();
    open.pop_back();
    for (const auto& [name, child] : inode->now.entries) {
      child->links += child->is_directory() ? 2 : 1;
      if (!child->is_directory()) continue;
      ++inode->links;
      open.push_back(child);
    }
  }
  last_write_ = {};
  ++commits_;
  return report;
}

}  // namespace gameday::lab
