// A simulated cluster that keeps its promises, with faults, unknown outcomes, lag and restarts:
// no checker may call it INVALID. And the same cluster with one lie: the right checker must.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "checkers/catalog.h"
#include "harness/core/rng.h"

namespace gameday {
namespace {

const std::vector<std::string> kReplicas = {"n1", "n2", "n3"};

enum class Lie {
  none,
  lose_everywhere,
  lose_on_one,
  lose_the_end,
  apply_twice,
  swap_order,
  reuse_id,
  skip_id,
  apply_failed,
  ids_against_time,
  two_leaders,
  forget_term,
  show_uncommitted,
  phantom
};

struct Job {
  std::string f, key;
  std::int64_t list = 0, value = 0;
};

class Cluster {
 public:
  Cluster(std::uint64_t seed, Lie lie) : rng_(seed), lie_(lie) {}

  History run() {
    const int ops = 200;
    for (int i = 0; i < ops; ++i) {
      if (i % 20 == 0) poll("status", false);
      if (i % 37 == 5) nemesis(i % 2 == 0 ? "inject" : "heal", i);
      client_op(i);
    }
    nemesis("heal-all", 0);
    final_reads();
    return std::move(history_);
  }

 private:
  void add(Process process, OpType type, const std::string& f, Json value, std::string node) {
    Op op;
    op.time = (now_ += 1'000'000 + static_cast<std::int64_t>(rng_.below(20'000'000)));
    op.process = process;
    op.type = type;
    op.f = f;
    op.value = std::move(value);
    op.node = std::move(node);
    const auto added = history_.append(op);
    ASSERT_TRUE(added) << added.error().message;
  }
  void call(const std::string& f, const Json& argument, OpType type, Json result,
            const std::string& node) {
    const Process process = type == OpType::info ? next_process_++ : 0;
    add(process, OpType::invoke, f, argument, node);
    add(process, type, f, std::move(result), node);
  }
  void nemesis(const std::string& f, int id) {
    add(kNemesis, OpType::info, f, {{"id", id / 74}, {"fault", "kill"}, {"summary", "kill n1"}},
        "");
    if (f == "heal") term_ += 1;
  }
  std::string any_node() { return rng_.pick(kReplicas); }
  bool lie_now(Lie lie, int op) const { return lie_ == lie && op > 100 && !lied_; }

  std::int64_t commit(const Job& job) {
    log_.push_back(job);
    return static_cast<std::int64_t>(log_.size());
  }

  void client_op(int i) {
    const double draw = rng_.unit();
    const std::int64_t v = ++value_;
    if (draw < 0.35) return append(i, v);
    if (draw < 0.6) return add_document(i, v);
    if (draw < 0.8) return write(i, v);
    const std::string f = rng_.chance(0.5) ? "read" : "get";
    // A local read may lag: any value that was ever committed.
    const auto& seen = f == "get" && !old_values_.empty() ? rng_.pick(old_values_) : register_;
    call(f, {1, nullptr}, OpType::ok, {1, seen}, any_node());
  }

  void append(int i, std::int64_t v) {
    const std::int64_t list = rng_.between(1, 3);
    const Job job{"append", fmt::format("append-{}", v), list, v};
    const double luck = lie_now(Lie::apply_failed, i) ? 0 : rng_.unit();
    if (luck < 0.1) {
      call("append", {list, v}, OpType::fail, {list, v}, any_node());
      if (lie_now(Lie::apply_failed, i)) lied_ = commit(job);
    } else if (luck < 0.25) {
      if (rng_.chance(0.5)) commit(job);
      call("append", {list, v}, OpType::info, {list, v}, any_node());
    } else {
      std::int64_t id = commit(job);
      acked_appends_.push_back(id);
      if (lie_now(Lie::ids_against_time, i)) id = (lied_ = id - 30);
      if (lie_now(Lie::reuse_id, i)) id = (lied_ = acked_appends_[acked_appends_.size() - 2]);
      call("append", {list, v}, OpType::ok, {list, v, id}, any_node());
    }
  }

  void add_document(int, std::int64_t v) {
    const Job job{"add", fmt::format("add-{}", v), 0, v};
    const double luck = rng_.unit();
    if (luck < 0.1) return call("add", v, OpType::fail, v, any_node());
    if (luck < 0.25) {
      if (rng_.chance(0.5)) commit(job);
      return call("add", v, OpType::info, v, any_node());
    }
    call("add", v, OpType::ok, {v, commit(job)}, any_node());
  }

  void write(int i, std::int64_t v) {
    const Job job{"write", fmt::format("write-1-{}", v), 0, v};
    if (lie_now(Lie::show_uncommitted, i)) {
      call("write", {1, v}, OpType::info, {1, v}, any_node());
      call("get", {1, nullptr}, OpType::ok, {1, v}, any_node());
      lied_ = v;
      return;
    }
    if (rng_.chance(0.15)) {
      if (rng_.chance(0.5)) {
        commit(job);
        register_ = v;
        old_values_.push_back(v);
      }
      return call("write", {1, v}, OpType::info, {1, v}, any_node());
    }
    commit(job);
    register_ = v;
    old_values_.push_back(v);
    call("write", {1, v}, OpType::ok, {1, v}, any_node());
  }

  std::string hash_at(std::size_t applied) const {
    std::string all;
    for (std::size_t i = 0; i < applied; ++i) all += log_[i].key + ";";
    return fmt::format("{:x}", std::hash<std::string>{}(all));
  }

  void poll(const std::string& f, bool settled) {
    for (const auto& node : kReplicas) {
      const std::size_t lag = settled ? lag_[node] : rng_.below(std::min<std::size_t>(log_.size() + 1, 5));
      const std::size_t applied = log_.size() - lag;
      bool leader = node == kReplicas[static_cast<std::size_t>(term_) % 3];
      std::int64_t term = term_;
      if (lie_ == Lie::two_leaders && log_.size() > 60) leader = node != "n3";
      if (lie_ == Lie::forget_term && settled && node == "n2") term = 0;
      call(f, nullptr, OpType::ok,
           {{"role", leader ? "leader" : "follower"},
            {"term", term},
            {"leader", "n1"},
            {"first", 1},
            {"last", log_.size()},
            {"commit", log_.size() - (settled ? 0 : lag)},
            {"applied", applied},
            {"hash", hash_at(applied)}},
           node);
    }
  }

  // The first acknowledged append of the second half: what a lie is about.
  std::size_t victim() const {
    return static_cast<std::size_t>(acked_appends_[acked_appends_.size() / 2]) - 1;
  }

  void final_reads() {
    // A node may lag still.
    for (const auto& node : kReplicas)
      if (lie_ == Lie::none && rng_.chance(0.2)) lag_[node] = rng_.below(log_.size());
    if (rng_.chance(0.5)) add(kNemesis, OpType::info, "settled", {{"ok", lag_.empty()}}, "");
    poll("final-status", true);
    for (const auto& node : kReplicas) {
      std::vector<std::size_t> applied;
      for (std::size_t i = 0; i < log_.size() - lag_[node]; ++i) applied.push_back(i);
      lie_in(node, applied);
      jobs(node, applied);
      lists(node, applied);
      read_set(node, applied);
    }
  }

  void lie_in(const std::string& node, std::vector<std::size_t>& applied) {
    const auto at =
        applied.begin() + static_cast<std::ptrdiff_t>(std::min(victim(), applied.size()));
    if (lie_ == Lie::lose_everywhere || (lie_ == Lie::lose_on_one && node == "n2"))
      applied.erase(at);
    if (lie_ == Lie::lose_the_end && node == "n2") applied.resize(victim());
    if (lie_ == Lie::skip_id && node == "n2") applied.erase(at);
    if (lie_ == Lie::apply_twice) applied.push_back(victim());
    if (lie_ == Lie::swap_order && node == "n3") {
      const auto list = log_[victim()].list;
      for (std::size_t i = victim() + 1; i < applied.size(); ++i)
        if (log_[i].f == "append" && log_[i].list == list) {
          std::swap(applied[victim()], applied[i]);
          break;
        }
    }
  }

  void jobs(const std::string& node, const std::vector<std::size_t>& applied) {
    Json rows = Json::array();
    for (std::size_t i = 0; i < applied.size(); ++i) {
      const std::size_t id = lie_ == Lie::skip_id ? applied[i] : i;
      rows.push_back({id + 1, "h" + log_[applied[i]].key, log_[applied[i]].key});
    }
    if (lie_ == Lie::apply_twice) rows.erase(rows.size() - 1);
    call("jobs", nullptr, OpType::ok, rows, node);
  }

  void lists(const std::string& node, const std::vector<std::size_t>& applied) {
    Json lists = Json::object();
    for (const std::size_t i : applied) {
      if (log_[i].f != "append") continue;
      auto& list = lists[std::to_string(log_[i].list)];
      if (list.is_null()) list = Json::array();
      list.push_back(log_[i].value);
    }
    if (lie_ == Lie::phantom && node == "n1") lists["1"].push_back(999'999);
    call("lists", nullptr, OpType::ok, lists, node);
  }

  void read_set(const std::string& node, const std::vector<std::size_t>& applied) {
    std::set<std::int64_t> values;
    for (const std::size_t i : applied)
      if (log_[i].f == "add") values.insert(log_[i].value);
    call("read-set", nullptr, OpType::ok, values, node);
  }

  Rng rng_;
  Lie lie_;
  std::int64_t lied_ = 0;
  std::vector<Job> log_;
  std::vector<std::int64_t> acked_appends_;
  Json register_;
  std::vector<Json> old_values_;
  std::map<std::string, std::size_t> lag_;  // at the end
  std::int64_t value_ = 0, term_ = 1, now_ = 0;
  Process next_process_ = 1;
  History history_;
};

std::set<std::string> invalid_checkers(std::uint64_t seed, Lie lie, std::string& words) {
  const History history = Cluster(seed, lie).run();
  std::set<std::string> names;
  for (const auto& result : check_all({history, {}, {}, kReplicas, {}})) {
    words += result.checker + ": " + std::string(to_string(result.verdict)) + " " + result.summary +
             "\n";
    if (result.verdict == Verdict::invalid) names.insert(result.checker);
  }
  return names;
}

TEST(Replicas, AnHonestClusterIsNeverInvalid) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::string words;
    const auto names = invalid_checkers(seed, Lie::none, words);
    ASSERT_TRUE(names.empty()) << "seed " << seed << "\n" << words;
  }
}

TEST(Replicas, EveryLieIsSeenByItsCheckers) {
  const std::map<Lie, std::vector<std::string>> seen_by = {
      {Lie::lose_everywhere, {"job-sequence", "set-full"}},
      {Lie::lose_on_one, {"job-sequence", "set-full", "apply-order"}},
      {Lie::lose_the_end, {"job-sequence"}},
      {Lie::apply_twice, {"exactly-once"}},
      {Lie::swap_order, {"apply-order", "job-sequence"}},
      {Lie::reuse_id, {"job-sequence", "log-linearizable"}},
      {Lie::skip_id, {"job-sequence"}},
      {Lie::apply_failed, {"exactly-once"}},
      {Lie::ids_against_time, {"log-linearizable"}},
      {Lie::two_leaders, {"election-safety"}},
      {Lie::forget_term, {"election-safety"}},
      {Lie::show_uncommitted, {"dirty-read"}},
      {Lie::phantom, {"exactly-once"}},
  };
  for (const auto& [lie, checkers] : seen_by)
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      std::string words;
      const auto names = invalid_checkers(seed, lie, words);
      for (const auto& checker : checkers)
        EXPECT_TRUE(names.contains(checker))
            << checker << " misses lie " << static_cast<int>(lie) << ", seed " << seed << "\n"
            << words;
    }
}

}  // namespace
}  // namespace gameday
