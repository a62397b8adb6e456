// The way of a write from its request to its answer: batched on the node that received it, handed
// to the leader, placed in the log, acknowledged once a majority holds it durably. Runs on the loop
// thread; knows no sockets.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sut/search/applier.h"
#include "sut/search/frame.h"
#include "sut/search/job.h"
#include "sut/search/raft/raft.h"

namespace gameday::search {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

struct WriteResult {
  enum class Outcome : std::uint8_t {
    acknowledged,
    condition_failed,  // it has a job, which did nothing
    refused,           // certainly did not happen, and will not
    unknown,           // may have happened, or may still happen
  };
  Outcome outcome = Outcome::unknown;
  std::vector<JobId> jobs;  // one for each job of the request, where there is an outcome
  std::string message;      // for the others: why
};

class WritePath {
 public:
  using Done = std::function<void(const WriteResult&)>;
  // What to do with a frame for another node; false when it certainly was not sent.
  using Send = std::function<bool(raft::NodeId to, FrameKind kind, std::string_view content)>;

  WritePath(raft::Raft& raft, const Applier& applier, const Bugs& bugs, Send send);

  // The jobs of one request go into one entry. `done` is called once, at the deadline at the
  // latest, but never from within submit().
  void submit(const std::vector<Job>& jobs, TimePoint deadline, Done done);

  // Sends off what is due. True: something is held back for a fuller batch; call again within
  // max_delay.
  bool flush(TimePoint now);
  static constexpr std::chrono::milliseconds max_delay{2};

  void on_forward(raft::NodeId from, const Forward& forward);
  void on_forward_reply(raft::NodeId from, const ForwardReply& reply);
  void on_commit();                         // the commit index may have moved
  void on_state(const Watermark& reached);  // and so has the state
  void on_tick(TimePoint now);              // deadlines and lost replies

 private:
  enum class Stage : std::uint8_t { queued, sent, placed, committed, finished };
  struct Write {
    std::vector<std::string> jobs;  // encoded
    std::size_t bytes = 0;
    bool all_keyed = true;     // so that sending it once more is safe
    bool conditional = false;  // or it may come too late: answered after it was applied
    TimePoint queued_at;
    Done done;
    Stage stage = Stage::queued;
    bool maybe = false;  // the fate of an earlier attempt is not known
    std::vector<Place> places;
  };
  using WritePtr = std::shared_ptr<Write>;
  struct SentBatch {
    raft::NodeId leader = 0;
    TimePoint at;
    std::vector<WritePtr> writes;
  };

  std::vector<WritePtr> take_batch();
  bool propose_own(const std::vector<WritePtr>& batch);
  bool forward(raft::NodeId leader, const std::vector<WritePtr>& batch, TimePoint now);
  std::optional<std::vector<Place>> propose(raft::NodeId asked,
                                            const std::vector<std::string_view>& jobs);
  std::optional<Place> known_place(const std::string& key) const;
  void remember_log_keys();
  void remember_key(const std::string& key, const Place& place);
  void place(const WritePtr& write, std::vector<Place> places);
  void requeue(const WritePtr& write);
  bool give_up_on(const SentBatch& batch, TimePoint now);
  void decide(const WritePtr& write);
  void acknowledge(Write& write);
  void finish(Write& write, WriteResult result);
  void expire(const WritePtr& write);

  raft::Raft& raft_;
  const Applier& applier_;
  const Bugs bugs_;
  Send send_;

  std::deque<WritePtr> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t queued_jobs_ = 0;
  TimePoint hold_until_;  // after a refusal: whoever leads may need a moment
  std::uint64_t next_forward_ = 1;
  std::map<std::uint64_t, SentBatch> sent_;
  std::multimap<raft::Index, WritePtr> placed_;  // by the last entry that it needs
  std::multimap<JobId, WritePtr> committed_;     // conditional ones, until they are applied
  std::multimap<TimePoint, std::weak_ptr<Write>> deadlines_;
  JobId state_job_ = 0;
  raft::Index state_index_ = 0;

  // Leader: the keys of the entries which the state may not know yet. With the state's own table,
  // that is every key in the log, so no key gets a second job.
  raft::Term keys_term_ = 0;  // the term for which the table was built
  std::unordered_map<std::string, Place> log_keys_;
  std::deque<std::pair<raft::Index, std::string>> log_keys_order_;
  // Only for dedup-table-per-host: the keys by the node that was asked.
  std::map<std::pair<raft::NodeId, std::string>, Place> host_keys_;
};

}  // namespace gameday::search
