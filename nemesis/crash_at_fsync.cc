#include "nemesis/crash_at_fsync.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "harness/lab/file_faults.h"
#include "harness/lab/syscall_supervisor.h"
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostListed = 50;

class ActiveCrashes : public ActiveFault {
 public:
  ActiveCrashes(lab::Lab& lab, const Json& parameters, std::vector<std::string> targets)
      : lab_(lab),
        deaths_(lab),
        every_(parameters.value("every", std::uint64_t{1})),
        delay_(parameters.value("delay_ms", 0)),
        after_(parameters.value("moment", "before") == "after"),
        targets_(std::move(targets)) {}
  ~ActiveCrashes() override { (void)stop(); }

  Status begin() {
    for (const auto& node : targets_) {
      const auto files = lab_.files(node);
      if (!files) return tl::make_unexpected(files.error());
      auto watch = (*files)->watch({}, every_, true, [this, node](const auto& event) { hit(node, event); });
      if (!watch) return tl::make_unexpected(watch.error());
      watches_.emplace(node, std::move(*watch));
    }
    worker_ = std::jthread([this](const std::stop_token& token) { work(token); });
    return {};
  }

  Json description() const override {
    return Json{{"targets", targets_}, {"style", kAtFsync}, {"delay_ms", delay_.count()}};
  }

  Result<Proof> heal() override {
    std::map<std::string, std::uint64_t> seen;
    for (const auto& [node, watch] : watches_) seen[node] = watch.seen();
    const Status status = stop();
    if (!status) return tl::make_unexpected(status.error());
    Proof proof;
    proof.effective = !list_.empty();
    std::vector<std::string> facts;
    for (const auto& [node, calls] : seen) {
      facts.push_back(fmt::format("{} died at {} of {} fsyncs", node, kills_[node], calls));
      proof.detail["nodes"][node] = {{"kills", kills_[node]}, {"fsyncs", calls}};
    }
    proof.summary = fmt::format("{}, {} executed{}", join(facts), after_ ? "after it was" : "before it was",
                                proof.effective ? "; running again" : "");
    proof.detail["moments"] = list_;
    deaths_.report(proof);
    return proof;
  }

 private:
  struct Hit {
    std::string node;
    unsigned incarnation = 0;
    lab::FileFaults::Event event;
  };

  // The supervisor's thread. From here on the node's thread waits.
  void hit(const std::string& node, const lab::FileFaults::Event& event) {
    const unsigned incarnation = lab_.incarnation(node);
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    hits_.push_back({node, incarnation, event});
    changed_.notify_all();
  }

  void work(const std::stop_token& token) {
    std::unique_lock lock(mutex_);
    while (!token.stop_requested() && error_.empty()) {
      if (!hits_.empty()) {
        const Hit hit = std::move(hits_.front());
        hits_.pop_front();
        lock.unlock();
        crash(hit);
        lock.lock();
        continue;
      }
      const auto next = std::min_element(down_.begin(), down_.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      });
      if (next == down_.end()) {
        changed_.wait(lock, token, [this] { return !hits_.empty(); });
      } else if (!changed_.wait_until(lock, token, next->second, [this] { return !hits_.empty(); }) &&
                 !token.stop_requested()) {
        const std::string node = next->first;
        down_.erase(next);
        lock.unlock();  // its start waits for the supervisor of its last life, which may be in hit()
        restart(node);
        lock.lock();
      }
    }
    hits_.clear();  // their threads go on
  }

  void crash(const Hit& hit) {
    // Another thread of the same life was at its fsync, too; or somebody else killed it.
    if (!lab_.lives_on(hit.node, hit.incarnation)) return;
    const bool carried_out = after_ && lab::carry_out_sync(*hit.event.call);
    const auto took = lab_.kill(hit.node);
    if (!took) return;
    // Nobody is there to take our answer: the call was not executed, but for what we did ourselves.
    const bool answered = hit.event.call->go_on();
    ++kills_[hit.node];
    down_[hit.node] = Clock::now() + delay_;
    if (answered) error_ = fmt::format("{} went on although it was killed", hit.node);
    if (list_.size() < kMostListed)
      list_.push_back({{"node", hit.node},
                       {"life", hit.incarnation},
                       {"fsync", hit.event.count},
                       {"path", hit.event.file.paths[0]},
                       {"executed", carried_out}});
  }

  void restart(const std::string& node) {
    if (lab_.alive(node)) return;  // by another fault
    if (auto status = lab_.restart(node); !status && !lab_.alive(node)) error_ = status.error().message;
  }

  Status stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    watches_.clear();
    if (worker_.joinable()) {
      worker_.request_stop();
      worker_.join();
    }
    for (const auto& [node, when] : std::exchange(down_, {})) restart(node);
    if (!error_.empty()) return fail("{}", error_);
    return {};
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const std::uint64_t every_;
  const std::chrono::milliseconds delay_;
  const bool after_;
  const std::vector<std::string> targets_;
  std::mutex mutex_;  // of hits_ and stopped_
  std::condition_variable_any changed_;
  std::deque<Hit> hits_;
  bool stopped_ = false;
  // The worker's, and ours when it has ended.
  std::map<std::string, Clock::time_point> down_;  // until when
  std::map<std::string, int> kills_;
  Json list_ = Json::array();
  std::string error_;
  std::map<std::string, lab::FileFaults::Watch> watches_;
  std::jthread worker_;
};

}  // namespace

Result<std::unique_ptr<ActiveFault>> crash_at_fsync(lab::Lab& lab, const Json& parameters,
                                                    std::vector<std::string> targets) {
  return begun(std::make_unique<ActiveCrashes>(lab, parameters, std::move(targets)));
}

std::string describe_crash_at_fsync(const Json& parameters) {
  const auto every = parameters.value("every", std::uint64_t{1});
  return fmt::format("kill -9 {} at every {} of its fsyncs, {} it is executed, restarted after {} ms",
                     describe_targets(parameters), every == 1 ? "one" : fmt::format("{}th", every),
                     parameters.value("moment", "before"), parameters.value("delay_ms", 0));
}

}  // namespace gameday::nemesis
