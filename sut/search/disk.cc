#include "sut/search/disk.h"

#include <cstdlib>
#include <utility>

#include "sut/search/log_line.h"

namespace gameday::search {

Disk::Disk(LogStore store, std::function<void(std::vector<DiskWork>)> done)
    : store_(std::move(store)),
      done_(std::move(done)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Disk::~Disk() = default;

void Disk::push(DiskWork work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  filled_.notify_one();
}

void Disk::run(const std::stop_token& stop) {
  while (true) {
    std::vector<DiskWork> batch;
    {
      std::unique_lock lock(mutex_);
      filled_.wait(lock, stop, [this] { return !queue_.empty(); });
      batch.swap(queue_);
    }
    if (batch.empty()) return;  // told to stop, and nothing is left
    for (const DiskWork& work : batch) store_.append(work.hard_state, work.entries);
    if (auto synced = store_.sync(); !synced) {
      log_line("stopping: {}", synced.error().message);
      std::_Exit(1);
    }
    done_(std::move(batch));
  }
}

}  // namespace gameday::search
