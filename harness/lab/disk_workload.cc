#include "harness/lab/disk_workload.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>
#include <vector>

#include "harness/core/rng.h"
#include "harness/lab/fd.h"

namespace gameday::lab::testing {
namespace {

namespace fs = std::filesystem;

// A file or directory: what a program sees, and what it has been promised.
struct File {
  bool directory = false;
  // How many states history_ had when its metadata last changed, and when it was made or given
  // another size; 0: not since the last commit. An fsync makes all of these durable, an fdatasync
  // those of the second.
  std::size_t changed = 0, resized = 0;
  std::string now, durable;
  std::vector<bool> touched;   // bytes changed since the last sync of this file
  std::size_t least = 0;       // its smallest size since then
  std::vector<std::pair<std::size_t, std::size_t>> truncates;  // (number of the operation, size)
  bool clean() const { return touched.empty() && least == now.size() && truncates.empty(); }
};
using FileRef = std::shared_ptr<File>;
using Tree = std::map<std::string, FileRef>;  // by path

std::string with_size(std::string text, std::size_t size) {
  text.resize(size, '\0');
  return text;
}

FileRef new_folder() {
  auto folder = std::make_shared<File>();
  folder->directory = true;
  return folder;
}

// What is on the disk.
struct Found {
  bool directory = false;
  std::string content;
};

class Workload {
 public:
  Workload(Disk& disk, std::uint64_t seed, bool tear)
      : disk_(disk), rng_(seed), tear_(tear), exact_(disk.backend() == "fuse") {}

  WorkloadResult run() {
    try {
      const int losses = static_cast<int>(rng_.between(2, 3));
      for (int i = 0; i < losses && result_.wrong.empty(); ++i) {
        const auto steps = rng_.between(8, 30);
        for (int step = 0; step < steps; ++step) {
          ++result_.operations;
          act();
        }
        lose_power();
      }
      for (const auto& [path, found] : tree_)
        if (path.find('/') == std::string::npos) fs::remove_all(root() / path);
      const Fd folder(::open(root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      must(::fsync(folder.get()) == 0, "sync the disk");
    } catch (const std::exception& e) {
      result_.wrong = e.what();
    }
    return result_;
  }

 private:
  const fs::path& root() const { return disk_.directory(); }
  std::string at(const std::string& path) const { return (root() / path).string(); }

  [[noreturn]] static void broken(const std::string& what) {
    throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
  }
  static void must(bool worked, const std::string& what) {
    if (!worked) broken(what);
  }

  // --- Choosing ---

  std::vector<std::string> paths(bool directories) const {
    std::vector<std::string> result;
    for (const auto& [path, file] : tree_)
      if (file->directory == directories) result.push_back(path);
    return result;
  }
  std::string some_folder() {  // "" is the disk itself
    auto folders = paths(true);
    folders.emplace_back();
    return rng_.pick(folders);
  }
  std::string new_path(const std::string& folder) {
    const std::string name = fmt::format("{}", static_cast<char>('a' + rng_.below(8)));
    return folder.empty() ? name : folder + "/" + name;
  }
  std::string random_text(std::size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>('A' + rng_.below(26));
    return text;
  }

  // --- One operation ---

  void act() {
    const auto files = paths(false);
    const std::uint64_t dice = rng_.below(100);
    if (dice < 18 || files.empty())
      create();
    else if (dice < 45)
      write(rng_.pick(files));
    else if (dice < 50)
      truncate(rng_.pick(files));
    else if (dice < 62)
      sync(rng_.pick(files), false);
    else if (dice < 68)
      sync(rng_.pick(files), true);
    else if (dice < 78)
      rename(rng_.pick(files));
    else if (dice < 83)
      unlink(rng_.pick(files));
    else if (dice < 86)
      link(rng_.pick(files));
    else if (dice < 92)
      make_folder();
    else if (dice < 95)
      remove_folder();
    else if (dice < 97)
      rename_folder();
    else
      sync_folder();
  }

  // After an operation on these, and on the folder of each.
  void changed(const std::vector<std::string>& paths) {
    history_.push_back(tree_);
    for (const auto& path : paths) {
      if (const auto file = tree_.find(path); file != tree_.end())
        file->second->changed = history_.size();
      const std::string folder = fs::path(path).parent_path();
      (folder.empty() ? *root_ : *tree_.at(folder)).changed = history_.size();
    }
  }

  void create() {
    const std::string path = new_path(some_folder());
    if (tree_.contains(path)) return;
    const Fd fd(::open(at(path).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    must(bool(fd), "create " + path);
    tree_[path] = std::make_shared<File>();
    changed({path});
    tree_[path]->resized = history_.size();
    if (rng_.chance(0.7)) write(path);
  }

  void write(const std::string& path) {
    File& file = *tree_[path];
    const bool append = rng_.chance(0.5);
    const std::string data = random_text(static_cast<std::size_t>(rng_.between(1, 9000)));
    const std::size_t offset = append ? file.now.size() : rng_.below(file.now.size() + 700);
    const Fd fd(::open(at(path).c_str(), O_WRONLY | (append ? O_APPEND : 0) | O_CLOEXEC));
    must(fd && ::pwrite(fd.get(), data.data(), data.size(), static_cast<off_t>(offset)) ==
                   static_cast<ssize_t>(data.size()),
         "write " + path);
    const std::size_t end = offset + data.size();
    if (end > file.now.size()) {
      file.now.resize(end, '\0');
      file.resized = history_.size();
    }
    file.now.replace(offset, data.size(), data);
    touch(file, offset, end);
    if (exact_) file.changed = history_.size();  // its time stamp, which may stand still on ext4
  }

  static void touch(File& file, std::size_t from, std::size_t to) {
    if (file.touched.size() < to) file.touched.resize(to);
    std::fill(file.touched.begin() + static_cast<std::ptrdiff_t>(from),
              file.touched.begin() + static_cast<std::ptrdiff_t>(to), true);
  }

  void truncate(const std::string& path) {
    File& file = *tree_[path];
    const std::size_t size = rng_.below(file.now.size() + 2000);
    must(::truncate(at(path).c_str(), static_cast<off_t>(size)) == 0, "truncate " + path);
    touch(file, std::min(size, file.now.size()), std::max(size, file.now.size()));
    file.now.resize(size, '\0');
    file.least = std::min(file.least, size);
    file.truncates.emplace_back(history_.size(), size);
    history_.push_back(tree_);
    file.changed = file.resized = history_.size();
  }

  void sync(const std::string& path, bool data_only) {
    const Fd fd(::open(at(path).c_str(), O_RDWR | O_CLOEXEC));
    must(fd && (data_only ? ::fdatasync(fd.get()) : ::fsync(fd.get())) == 0, "sync " + path);
    File& file = *tree_[path];
    commit(data_only ? file.resized : file.changed);
    file.durable = file.now;
    file.touched.clear();
    file.truncates.clear();
    file.least = file.now.size();
  }

  // The first so many states of the history are the past. A FUSE disk makes all of them durable then;
  // ext4 all up to now, or nothing if it has done so since they were.
  void commit(std::size_t states) {
    if (!exact_) last_ = history_.size() - 1;
    if (states == 0) return;
    if (!exact_) {
      first_ = std::max(first_, states - 1);
      return;
    }
    std::vector<FileRef> all{root_};
    for (const auto& tree : history_)
      for (const auto& [path, file] : tree) all.push_back(file);
    for (const auto& file : all) {
      file->durable = durable_after(*file, history_.size());
      file->truncates.clear();
      file->changed = file->resized = 0;
    }
    history_ = {tree_};
  }

  void sync_folder() {
    const std::string path = some_folder();
    const Fd fd(::open(at(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    must(fd && ::fsync(fd.get()) == 0, "sync " + path);
    commit((path.empty() ? *root_ : *tree_[path]).changed);
  }

  void unlink(const std::string& path) {
    must(::unlink(at(path).c_str()) == 0, "unlink " + path);
    const FileRef file = tree_[path];  // it may have another name
    tree_.erase(path);
    changed({path});
    file->changed = history_.size();
  }

  void rename(const std::string& from) {
    const std::string to = new_path(some_folder());
    const auto there = tree_.find(to);
    if (there != tree_.end() && (there->second->directory || there->second == tree_[from])) return;
    must(::rename(at(from).c_str(), at(to).c_str()) == 0, "rename " + from + " to " + to);
    const FileRef replaced = there == tree_.end() ? nullptr : there->second;
    tree_[to] = tree_[from];
    tree_.erase(from);
    changed({from, to});
    if (replaced) replaced->changed = history_.size();
  }

  void link(const std::string& from) {
    const std::string to = new_path(some_folder());
    if (tree_.contains(to)) return;
    must(::link(at(from).c_str(), at(to).c_str()) == 0, "link " + from + " as " + to);
    tree_[to] = tree_[from];
    changed({to});
  }

  void make_folder() {
    const std::string path = new_path(some_folder());
    if (tree_.contains(path) || std::count(path.begin(), path.end(), '/') > 2) return;
    must(::mkdir(at(path).c_str(), 0755) == 0, "mkdir " + path);
    tree_[path] = new_folder();
    changed({path});
  }

  bool empty(const std::string& folder) const {
    const auto next = tree_.upper_bound(folder + "/");
    return next == tree_.end() || !next->first.starts_with(folder + "/");
  }

  void remove_folder() {
    for (const auto& path : paths(true)) {
      if (!empty(path)) continue;
      must(::rmdir(at(path).c_str()) == 0, "rmdir " + path);
      tree_.erase(path);
      changed({path});
      return;
    }
  }

  void rename_folder() {
    const auto folders = paths(true);
    if (folders.empty()) return;
    const std::string from = rng_.pick(folders), to = new_path("");
    if (tree_.contains(to) || (to + "/").starts_with(from + "/")) return;
    must(::rename(at(from).c_str(), at(to).c_str()) == 0, "rename " + from + " to " + to);
    Tree moved;
    for (const auto& [path, file] : tree_) {
      const bool inside = path == from || path.starts_with(from + "/");
      moved[inside ? to + path.substr(from.size()) : path] = file;
    }
    tree_ = std::move(moved);
    changed({from, to});
  }

  // --- The loss ---

  // The durable content once the first `operations` of the history are.
  static std::string durable_after(const File& file, std::size_t operations) {
    std::string content = file.durable;
    for (const auto& [number, size] : file.truncates)
      if (number < operations) content.resize(size, '\0');
    return content;
  }

  std::map<std::string, Found> look() const {
    std::map<std::string, Found> found;
    for (const auto& entry : fs::recursive_directory_iterator(root())) {
      const std::string path = entry.path().lexically_relative(root()).string();
      if (path == "lost+found") continue;
      Found& one = found[path];
      one.directory = entry.is_directory();
      if (one.directory) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      one.content.assign(std::istreambuf_iterator<char>(in), {});
    }
    return found;
  }

  // Whether each sector is as it was synced or as it was last written, and the size in between.
  bool torn_content_fits(const File& file, const std::string& durable, const std::string& content) {
    const std::size_t least = std::min(durable.size(), std::max(durable.size(), file.now.size()));
    if (content.size() < least || content.size() > std::max(durable.size(), file.now.size()))
      return false;
    for (std::size_t from = 0; from < content.size(); from += sector_) {
      const std::size_t size = std::min<std::size_t>(sector_, content.size() - from);
      const std::string seen = content.substr(from, size);
      const std::string old = with_size(durable, std::max(durable.size(), from + size)).substr(from, size);
      std::string fresh = old;
      for (std::size_t i = 0; i < size && from + i < file.now.size(); ++i) fresh[i] = file.now[from + i];
      if (seen != old && seen != fresh) return false;
    }
    return true;
  }

  // ext4: what has not been touched since it was synced is as it was.
  static bool loose_content_fits(const File& file, const std::string& content) {
    if (file.clean()) return content == file.durable;
    const std::size_t safe = std::min(file.least, file.durable.size());
    if (content.size() < safe) return false;
    for (std::size_t i = 0; i < safe; ++i)
      if (!(i < file.touched.size() && file.touched[i]) && content[i] != file.durable[i]) return false;
    return true;
  }

  // Empty: this is what a disk may hold on which the first k operations of the history are durable.
  std::string mismatch(std::size_t k, const std::map<std::string, Found>& found) {
    const Tree& tree = history_[k];
    for (const auto& [path, file] : tree)
      if (!found.contains(path)) return path + " is missing";
    for (const auto& [path, one] : found) {
      const auto expected = tree.find(path);
      if (expected == tree.end()) return path + " should not be there";
      if (one.directory != expected->second->directory) return path + " is of another type";
      if (one.directory) continue;
      const File& file = *expected->second;
      const std::string durable = durable_after(file, k + 1);
      const bool fits = tear_    ? torn_content_fits(file, durable, one.content)
                        : exact_ ? one.content == durable
                                 : loose_content_fits(file, one.content);
      if (!fits)
        return fmt::format("{} has other content: {} bytes, {} synced, {} before", path,
                           one.content.size(), durable.size(), file.now.size());
    }
    return {};
  }

  void lose_power() {
    ++result_.losses;
    sector_ = rng_.chance(0.5) ? 512 : 4096;
    const auto loss = disk_.power_loss(tear_ ? std::optional(Tear{rng_.next(), sector_}) : std::nullopt);
    if (!loss) throw std::runtime_error(loss.error().message);
    result_.lost_something += loss->nothing() ? 0 : 1;
    const auto found = look();
    const std::size_t last = tear_ ? history_.size() - 1 : last_;
    std::string why;
    std::size_t k = first_;
    for (; k <= last; ++k)
      if (const auto wrong = mismatch(k, found); wrong.empty())
        break;
      else if (why.empty() || k == last)
        why += (why.empty() ? "" : "; or ") + wrong;
    if (k > last) {
      result_.wrong = fmt::format("after power loss {}: {}", result_.losses, why);
      return;
    }
    adopt(history_[k], found);
  }

  // What was found is how it goes on.
  void adopt(Tree tree, const std::map<std::string, Found>& found) {
    for (const auto& [path, file] : tree) {
      const Found& one = found.at(path);
      *file = {.directory = one.directory,
               .changed = 0,
               .resized = 0,
               .now = one.content,
               .durable = one.content,
               .touched = {},
               .least = one.content.size(),
               .truncates = {}};
    }
    root_->changed = 0;
    first_ = last_ = 0;
    tree_ = std::move(tree);
    history_ = {tree_};
  }

  Disk& disk_;
  Rng rng_;
  const bool tear_, exact_;
  unsigned sector_ = 512;
  Tree tree_;
  const FileRef root_ = new_folder();
  std::vector<Tree> history_{Tree()};  // from the last commit on, after each operation
  std::size_t first_ = 0, last_ = 0;   // in it that may be found after a loss
  WorkloadResult result_;
};

}  // namespace

WorkloadResult run_workload(Disk& disk, std::uint64_t seed, bool tear) {
  return Workload(disk, seed, tear).run();
}

}  // namespace gameday::lab::testing
