// Applies committed entries in order on a thread of its own, first to the state, then in batches
// to the text index: a document that changed ten times in a batch is indexed once. While a batch is
// being indexed, new entries still reach the state, so that strong reads do not wait for Xapian.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "harness/core/error.h"
#include "sut/search/raft/message.h"
#include "sut/search/state.h"
#include "sut/search/text_index.h"

namespace gameday::search {

// How far a node is: the last entry and job, and the state hash after that job.
struct Watermark {
  raft::Index index = 0;
  JobId job = 0;
  std::uint64_t hash = 0;
};

struct SearchResult {
  std::vector<Json> hits;
  std::size_t total = 0;
};

class Applier {
 public:
  // Called on the apply thread.
  struct Events {
    std::function<void(const Watermark&)> in_state;    // object reads see it
    std::function<void(const Watermark&)> searchable;  // searches see it too: published
  };

  static Result<std::unique_ptr<Applier>> start(const std::filesystem::path& directory,
                                                const Bugs& bugs, Events events);
  ~Applier();  // stops soon, whatever is still queued

  // Any thread; the entries that follow the ones of the last call.
  void push(std::vector<raft::Entry> entries);

  // Any thread: calls f(const State&) while nothing is being applied. Must be quick.
  template <typename F>
  auto read(F&& f) const {
    const std::shared_lock lock(state_mutex_);
    return f(state_);
  }

  // One reader thread. An error is one of the query or of the index.
  Result<SearchResult> search(const std::string& index, const SearchQuery& query);

 private:
  using Clock = std::chrono::steady_clock;
  struct Work {
    JobId id = 0;
    Job job;  // only if there is one: an entry that opens a term has none
    bool has_job = false;
    raft::Index completes = 0;  // the entry that this is the last job of; 0: there are more
  };

  Applier(std::unique_ptr<TextIndex> text, const Bugs& bugs, Events events);
  void run(const std::stop_token& stop);
  void wait_for_work(const std::stop_token& stop);
  bool fetch();
  void apply_plain();
  void apply_atomic();
  void apply(const Work& work);
  void publish(const std::stop_token& stop);
  void index_one(const std::pair<std::string, std::string>& name);

  Events events_;
  std::unique_ptr<TextIndex> text_;

  mutable std::shared_mutex state_mutex_;
  State state_;  // written by the apply thread only, which therefore reads it without the lock

  // Held over searches and over Xapian's commits; also from before a move, copy or clear reaches
  // the state until it is searchable, so that a search sees the old index or the new one.
  std::mutex search_gate_;

  std::mutex inbox_mutex_;
  std::condition_variable_any inbox_filled_;
  std::vector<raft::Entry> inbox_;

  // Of the apply thread.
  std::deque<Work> work_;
  Watermark in_state_;
  Watermark searchable_;
  State::Touched touched_;  // changed in the state, not yet in the text index
  Clock::time_point next_commit_;

  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace gameday::search
