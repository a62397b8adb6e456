#include "harness/lab/chains.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "harness/lab/spawn.h"

namespace gameday::lab {

Chains::Chains(Chains&& other) noexcept
    : netns_(other.netns_),
      table_(std::move(other.table_)),
      root_(std::move(other.root_)),
      restore_(std::move(other.restore_)),
      save_(std::move(other.save_)),
      lock_(std::move(other.lock_)),
      environment_(std::move(other.environment_)) {}

Result<Chains> Chains::create(int netns, std::string table, std::string root) {
  Chains chains;
  chains.netns_ = netns;
  chains.table_ = std::move(table);
  chains.root_ = std::move(root);
  chains.lock_.reset(::memfd_create("xtables.lock", MFD_CLOEXEC));
  // The legacy variant locks a file, /run/xtables.lock by default: shared by all runs of the machine, and
  // not writable for an ordinary user. Ours is in memory, so that a heal needs no folder of the user's.
  // Tables are independent of each other.
  chains.environment_ = {
      {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
      {"XTABLES_LOCKFILE", fmt::format("/proc/{}/fd/{}", ::getpid(), chains.lock_.get())}};
  std::string reasons;
  // Legacy first: it replaces the table in 2 ms, where nf_tables waits for RCU, 10 to 30 ms, whenever
  // something is taken out. But only root may load its module.
  for (const std::string variant : {"iptables-legacy", "iptables", "iptables-nft"}) {
    chains.restore_ = find_tool({variant + "-restore"});
    chains.save_ = find_tool({variant + "-save"});
    if (chains.restore_.empty() || chains.save_.empty()) continue;
    auto status =
        chains.commit(fmt::format(":{} - [0:0]\n-I FORWARD -j {}\n", chains.root_, chains.root_));
    if (status) return chains;
    reasons += (reasons.empty() ? "" : "; ") + status.error().message;
  }
  if (reasons.empty())
    return fail("iptables is missing: partitions need it (apt install iptables)");
  return fail("the kernel refuses iptables in a private network namespace: {}", reasons);
}

Status Chains::commit(const std::string& lines) const {
  auto result = run_tool({restore_, "--noflush"}, fmt::format("*{}\n{}COMMIT\n", table_, lines),
                         netns_, environment_);
  if (!result) return tl::make_unexpected(result.error());
  if (result->exit != 0)
    return fail("{} failed ({}): {}", restore_, result->exit,
                result->err.substr(0, result->err.find_last_not_of('\n') + 1));
  return {};
}

Status Chains::timed_commit(const std::string& lines) {
  const auto begin = std::chrono::steady_clock::now();
  auto status = commit(lines);
  last_transaction_ = std::chrono::steady_clock::now() - begin;
  return status;
}

// What `iptables-save -c` prints: "[12:720] -A GAMEDAY-3 -s 10.77.0.1/32 -j DROP".
Result<std::vector<Chains::Line>> Chains::saved() const {
  auto saved = run_tool({save_, "-c", "-t", table_}, "", netns_, environment_);
  if (!saved) return tl::make_unexpected(saved.error());
  if (saved->exit != 0) return fail("{} failed: {}", save_, saved->err);
  std::vector<Line> result;
  std::istringstream in(saved->out);
  for (std::string row; std::getline(in, row);) {
    if (!row.starts_with('[')) continue;
    const char* const end = row.data() + row.size();
    Line line;
    auto [colon, error] = std::from_chars(row.data() + 1, end, line.count.packets);
    if (error != std::errc() || colon == end) continue;
    auto [bracket, error2] = std::from_chars(colon + 1, end, line.count.bytes);
    if (error2 != std::errc()) continue;
    std::istringstream rest(std::string(bracket + 1, end));
    std::string append;
    rest >> append >> line.chain;
    std::getline(rest >> std::ws, line.rule);
    if (append == "-A") result.push_back(line);
  }
  return result;
}

bool Chains::in_force(const std::string& chain, const std::vector<Line>& lines) const {
  return std::any_of(lines.begin(), lines.end(), [&](const Line& line) {
    return line.chain == root_ && line.rule == "-j " + chain;
  });
}

Result<std::vector<Chains::Count>> Chains::read(int id, const std::vector<Line>& lines) const {
  const auto set = sets_.find(id);
  if (set == sets_.end()) return fail("no set {} in the firewall", id);
  std::vector<Count> result;
  for (const Line& line : lines)
    if (line.chain == chain_of(id)) result.push_back(line.count);
  if (result.size() != set->second) return fail("rules of set {} are gone from the kernel", id);
  return result;
}

Result<int> Chains::add(const Rules& rules) {
  const std::lock_guard lock(mutex_);
  const int id = next_++;
  std::string lines = fmt::format("{}:{} - [0:0]\n", leftover_, chain_of(id));
  for (const auto& rule : rules) lines += fmt::format("-A {} {}\n", chain_of(id), rule);
  lines += fmt::format("-A {} -j {}\n", root_, chain_of(id));
  if (auto status = timed_commit(lines); !status) return tl::make_unexpected(status.error());
  leftover_.clear();
  sets_[id] = rules.size();
  return id;
}

Result<std::vector<Chains::Count>> Chains::remove(int id) {
  const std::lock_guard lock(mutex_);
  if (!sets_.contains(id)) return fail("no set {} in the firewall", id);
  // First out of force, then counted, so that the numbers are final; the chain goes with the next
  // transaction, which saves a third process.
  auto status = timed_commit(fmt::format("{}-D {} -j {}\n", leftover_, root_, chain_of(id)));
  if (!status) return tl::make_unexpected(status.error());
  leftover_ = fmt::format("-F {0}\n-X {0}\n", chain_of(id));
  auto lines = saved();
  if (!lines) return tl::make_unexpected(lines.error());
  if (in_force(chain_of(id), *lines)) return fail("the rules of set {} are still in force", id);
  auto counts = read(id, *lines);
  sets_.erase(id);
  return counts;
}

Result<std::vector<Chains::Count>> Chains::counts(int id) const {
  const std::lock_guard lock(mutex_);
  auto lines = saved();
  if (!lines) return tl::make_unexpected(lines.error());
  return read(id, *lines);
}

Result<std::size_t> Chains::rules_in_force() const {
  const std::lock_guard lock(mutex_);
  auto lines = saved();
  if (!lines) return tl::make_unexpected(lines.error());
  return static_cast<std::size_t>(std::count_if(
      lines->begin(), lines->end(),
      [&](const Line& line) { return line.chain != root_ && in_force(line.chain, *lines); }));
}

std::chrono::nanoseconds Chains::last_transaction() const {
  const std::lock_guard lock(mutex_);
  return last_transaction_;
}

std::string_view Chains::variant() const {
  return std::string_view(restore_).substr(restore_.rfind('/') + 1);
}

}  // namespace gameday::lab
