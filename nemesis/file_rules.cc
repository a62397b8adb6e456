#include "nemesis/file_rules.h"

#include <cerrno>

#include "harness/core/duration.h"
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

constexpr int kNumbers[]{EIO, ENOSPC, EDQUOT, EROFS, EACCES, EMFILE, ENOMEM, EINTR};
static_assert(std::size(kNumbers) == std::size(kErrors));

Json to_json(const lab::FileCounts& counts) {
  Json json = {{"calls", counts.seen}, {"failed", counts.failed}};
  if (counts.delayed > 0) {
    json["delayed"] = counts.delayed;
    json["waited_ms"] = ms(counts.waited);
  }
  return json;
}

class ActiveRules : public ActiveFault {
 public:
  ActiveRules(lab::Lab& lab, std::vector<std::string> targets, lab::FileRule rule)
      : lab_(lab), deaths_(lab), targets_(std::move(targets)), rule_(std::move(rule)) {}

  Status begin() {
    for (const auto& node : targets_) {
      const auto files = lab_.files(node);
      if (!files) return tl::make_unexpected(files.error());
      lab::FileRule own = rule_;
      own.seed = Rng(rule_.seed).fork(node).next();
      auto rule = (*files)->add(own);
      if (!rule) return tl::make_unexpected(rule.error());
      rules_.push_back({node, std::move(*rule)});
    }
    return {};
  }

  Json description() const override {
    return Json{{"targets", targets_}, {"path", rule_.match.path}};
  }

  Result<Proof> heal() override {
    Proof proof;
    Json nodes = Json::object();
    std::vector<std::string> facts;
    for (auto& item : rules_) {
      const lab::FileCounters counters = item.rule.end();
      const std::string ended = revive(item.node, counters);
      if (!error_.empty()) continue;  // all rules end, whatever else happens
      proof.effective |= counters.failed + counters.delayed > 0;
      Json& node = nodes[item.node] = to_json(static_cast<const lab::FileCounts&>(counters));
      for (const auto& [path, counts] : counters.by_path)
        if (counts.failed + counts.delayed > 0) node["by_path"][path] = to_json(counts);
      if (!ended.empty()) node["ended"] = ended;
      facts.push_back(fact(item.node, counters) + (ended.empty() ? "" : ", and " + ended));
    }
    // The counters of a rule that is out of force stand still.
    for (const auto& item : rules_) {
      const auto again = item.rule.counters();
      if (error_.empty() && again.failed != nodes[item.node]["failed"])
        error_ = fmt::format("calls of {} still fail", item.node);
    }
    if (!error_.empty()) return fail("{}", error_);
    proof.summary = fmt::format("{}", fmt::join(facts, "; "));
    proof.detail["nodes"] = std::move(nodes);
    deaths_.report(proof);
    return proof;
  }

 private:
  struct Item {
    std::string node;
    lab::FileFaults::Rule rule;
  };

  // A server that gave up because of what we did is started again, as its operator would.
  std::string revive(const std::string& node, const lab::FileCounters& counters) {
    if (counters.failed == 0 || lab_.alive(node)) return {};
    const auto exit = lab_.last_exit(node);
    if (!exit || !exit->provoked) return {};
    if (auto status = lab_.restart(node); !status && !lab_.alive(node)) error_ = status.error().message;
    return fmt::format("{}, which was started again", lab::describe(*exit));
  }

  std::string fact(const std::string& node, const lab::FileCounters& counters) const {
    std::vector<std::string> paths;
    for (const auto& [path, counts] : counters.by_path)
      if (counts.failed + counts.delayed > 0) paths.push_back(path);
    if (paths.size() > 3) {
      const auto more = paths.size() - 3;
      paths.resize(3);
      paths.push_back(fmt::format("{} more", more));
    }
    std::vector<std::string> done;
    if (rule_.error != 0)
      done.push_back(fmt::format("{} failed with {}", counters.failed, word_of(rule_.error)));
    if (rule_.delay + rule_.jitter > std::chrono::nanoseconds(0))
      done.push_back(fmt::format("{} were held for {:.1f} ms in all", counters.delayed, ms(counters.waited)));
    std::string text = fmt::format("of {} calls of {}, {}", counters.seen, node, join(done));
    if (!paths.empty()) text += fmt::format(" ({})", join(paths));
    return text;
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const std::vector<std::string> targets_;
  const lab::FileRule rule_;
  std::vector<Item> rules_;
  std::string error_;
};

}  // namespace

int errno_of(std::string_view word) {
  for (std::size_t i = 0; i < std::size(kErrors); ++i)
    if (kErrors[i] == word) return kNumbers[i];
  return 0;
}

std::string_view word_of(int error) {
  for (std::size_t i = 0; i < std::size(kErrors); ++i)
    if (kNumbers[i] == error) return kErrors[i];
  return "an error";
}

Result<std::unique_ptr<ActiveFault>> inject_rule(lab::Lab& lab, std::vector<std::string> targets,
                                                 const lab::FileRule& rule) {
  return begun(std::make_unique<ActiveRules>(lab, std::move(targets), rule));
}

}  // namespace gameday::nemesis
