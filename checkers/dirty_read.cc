// Reads show only what was written and did not fail: no phantom, no aborted read (Adya 1999, G1a),
// and no write that was shown and then never happened (uncommitted data that a new leader
// truncated). Values are unique for each key, so a value names its write.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "checkers/checkers.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"

namespace gameday {
namespace dirty_read {
namespace {

bool fits(const CheckInput& input) {
  const auto& history = input.history;
  return (history.has_f("read") || history.has_f("get")) &&
         (history.has_f("write") || history.has_f("cas"));
}

struct Source {
  Call call;
  std::string job_key;  // the write's idempotency key
};
using Sources = std::map<std::pair<std::string, std::string>, Source>;  // by key and value

Sources sources_of(const History& history, Findings& findings) {
  Sources sources;
  for (const auto& call : calls_of(history, {"write", "cas"})) {
    const Json& value = argument(history, call);
    const bool cas = f_of(history, call) == "cas";
    if (!is_pair(value) || (cas && !is_pair(value[1]))) {
      findings.unknown(fmt::format("{} does not say [key, value]", name_call(history, call)));
      continue;
    }
    const std::string key = text(value[0]), written = text(cas ? value[1][1] : value[1]);
    Source source{call, fmt::format("{}-{}-{}", cas ? "cas" : "write", key, written)};
    if (auto wrong = contradiction(history, call); !wrong.empty()) {
      findings.unknown(std::move(wrong));
      source.call.outcome = OpType::info;
      source.job_key.clear();  // nor may the jobs be asked for it
    }
    const auto [it, added] = sources.try_emplace({key, written}, source);
    // The same value twice: a read of it may be of the attempt that did not fail, and the jobs
    // cannot tell the two apart.
    if (added) continue;
    if (it->second.call.outcome == OpType::fail) it->second.call = source.call;
    it->second.job_key.clear();
  }
  return sources;
}

// The jobs that were ever committed, when the final lists of all nodes tell that completely.
class Committed {
 public:
  Committed(const CheckInput& input, const Sources& sources)
      : input_(input), progress_(input), acks_(acknowledged(input.history)) {
    const auto finals = final_reads(input, "jobs");
    if (finals.empty() || !without_final(input, finals).empty()) return;
    std::unordered_set<std::int64_t> ids;
    for (const auto& [node, call] : finals) {
      const auto rows = parse_jobs(answer(input.history, call));
      if (!rows) return;
      for (const auto& row : *rows) {
        ids.insert(row.id);
        keys_.insert(row.key);
      }
      if (asked_ == 0 || call.invoke < asked_) asked_ = call.invoke;
    }
    while (ids.contains(covered_ + 1)) ++covered_;
    if (static_cast<std::size_t>(covered_) != ids.size()) return;  // a hole: not the whole story
    // Every acknowledged register write must be there under its key, or keys are kept in another
    // way than this checker knows.
    std::size_t acknowledged_writes = 0;
    for (const auto& [what, source] : sources) {
      if (!source.call.ok() || source.job_key.empty()) continue;
      ++acknowledged_writes;
      if (!keys_.contains(source.job_key)) return;
    }
    complete_ = acknowledged_writes > 0;
  }

  bool complete() const { return complete_; }

  // Whether the lists hold all that can have been committed when this read was answered: a write
  // that began later has its job among them (I20), or the cluster was quiet up to their end.
  bool covers(const Call& read) const {
    if (!complete_ || !read.done_before(asked_)) return false;
    const auto at = static_cast<std::size_t>(read.done);
    const auto quiet = progress_.quiet_at(at);
    if (quiet && *quiet <= covered_) return true;
    return std::any_of(acks_.all.begin(), acks_.all.end(),
                       [&](const Ack& ack) { return ack.call.invoke > at && ack.job <= covered_; });
  }
  bool has(const std::string& key) const { return keys_.contains(key); }
  std::int64_t last() const { return covered_; }

 private:
  const CheckInput& input_;
  AppliedProgress progress_;
  Acks acks_;
  std::unordered_set<std::string> keys_;
  std::int64_t covered_ = 0;
  std::size_t asked_ = 0;
  bool complete_ = false;
};

struct Words {
  std::string type, summary, because;
};

// What is wrong with a read of this value; an empty type when nothing is.
Words judge(const History& history, const Committed& committed, const Call& read,
            const std::string& value, const Source* source) {
  const std::string shown = fmt::format("{} returned {} at {}", name_call(history, read), value,
                                        time_of(history, read.done));
  if (source == nullptr)
    return {"phantom-read", shown + ", but no client ever wrote that",
            "Every write of the run has a value of its own, and none has this one."};
  const std::string write = name_call(history, source->call);
  if (source->call.outcome == OpType::fail)
    return {"aborted-read",
            fmt::format("{}, but {} was answered as certainly failed at {}", shown, write,
                        time_of(history, source->call.done)),
            tell_call(history, source->call) + "."};
  if (read.done_before(source->call.invoke))
    return {"future-read",
            fmt::format("{}, but {} began only at {}", shown, write,
                        seconds(history.time(source->call.invoke))),
            "A value cannot be read before its write has begun."};
  if (source->call.outcome == OpType::info && !source->job_key.empty() && committed.covers(read) &&
      !committed.has(source->job_key))
    return {"dirty-read",
            fmt::format("{}, but {} never happened: no node has a job {} among jobs 1 to {}", shown,
                        write, source->job_key, committed.last()),
            tell_call(history, source->call) +
                ". The read showed data that was not committed and was taken back later."};
  return {};
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto& history = input.history;
  const Sources sources = sources_of(history, findings);
  const Committed committed(input, sources);
  std::size_t reads = 0, unknown_sources = 0;
  for (const auto& read : calls_of(history, {"read", "get"})) {
    if (!read.ok()) continue;
    const Json& value = answer(history, read);
    if (!is_pair(value)) {
      findings.unknown(
          fmt::format("{} returned {}, not [key, value]", name_call(history, read), value.dump()));
      continue;
    }
    if (auto wrong = contradiction(history, read); !wrong.empty()) {
      findings.unknown(std::move(wrong));
      continue;
    }
    ++reads;
    if (value[1].is_null()) continue;
    const auto found = sources.find({text(value[0]), text(value[1])});
    const Source* source = found == sources.end() ? nullptr : &found->second;
    if (source != nullptr && source->call.outcome == OpType::info) ++unknown_sources;
    const Words words = judge(history, committed, read, text(value[1]), source);
    if (words.type.empty()) continue;
    Anomaly anomaly{
        words.type,     "I19",
        words.summary,  {words.because},
        read.indices(), {{"key", value[0]}, {"value", value[1]}, {"node", node_of(history, read)}}};
    if (source != nullptr)
      for (const auto index : source->call.indices()) anomaly.ops.push_back(index);
    findings.add(std::move(anomaly));
  }
  findings.stats = {{"reads", reads},
                    {"reads-of-unknown-writes", unknown_sources},
                    {"jobs-complete", committed.complete()}};
  return std::move(findings).result(
      fmt::format("{} reads returned only values whose writes may have happened", reads));
}

}  // namespace
}  // namespace dirty_read

const Checker& dirty_read_checker() {
  static const FunctionChecker checker(
      "dirty-read", "no read shows a value that was never written, failed, or was taken back",
      dirty_read::fits, dirty_read::check);
  return checker;
}

}  // namespace gameday
