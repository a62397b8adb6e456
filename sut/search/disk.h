// The disk thread: makes what the core gives out durable, in order. Everything that queued up while
// the disk was busy shares one write and one fdatasync.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "sut/search/log_store.h"
#include "sut/search/raft/raft.h"

namespace gameday::search {

struct DiskWork {
  std::uint64_t token = 0;
  std::optional<raft::HardState> hard_state;
  std::vector<raft::Entry> entries;
  std::vector<raft::Message> messages_after;  // to be sent once this is durable
};

class Disk {
 public:
  // `done` is called on the disk thread with the works that have just become durable, in order.
  // An error of the disk ends the process: nobody knows what would survive the next one.
  Disk(LogStore store, std::function<void(std::vector<DiskWork>)> done);
  ~Disk();  // finishes what is queued

  void push(DiskWork work);  // any thread

 private:
  void run(const std::stop_token& stop);

  LogStore store_;
  std::function<void(std::vector<DiskWork>)> done_;
  std::mutex mutex_;
  std::condition_variable_any filled_;
  std::vector<DiskWork> queue_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace gameday::search
