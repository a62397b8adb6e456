#include "harness/lab/firewall.h"

#include <charconv>
#include <map>
#include <mutex>
#include <sstream>

#include "harness/lab/spawn.h"

namespace gameday::lab {
namespace {

constexpr const char* kChain = "GAMEDAY";

std::string chain_of(int id) { return fmt::format("{}-{}", kChain, id); }

// A Rule becomes one rule of iptables, or two when TCP is answered differently from the rest.
std::size_t lines_per(const Rule& rule) { return rule.action == Action::reject ? 2 : 1; }

std::string lines_of(const std::string& chain, const Rule& rule) {
  std::string match = "-A " + chain;
  if (!rule.from.empty()) match += " -s " + rule.from;
  if (!rule.to.empty()) match += " -d " + rule.to;
  if (rule.action == Action::drop) return match + " -j DROP\n";
  return match + " -p tcp -j REJECT --reject-with tcp-reset\n" + match +
         " -j REJECT --reject-with icmp-admin-prohibited\n";
}

std::string transaction(const std::string& lines) { return "*filter\n" + lines + "COMMIT\n"; }

struct Line {
  std::string chain;
  std::int64_t packets = 0, bytes = 0;
};

// The rules in what `iptables-save -c` prints: "[12:720] -A GAMEDAY-3 -s 10.77.0.1/32 -j DROP".
std::vector<Line> parse_saved(const std::string& text) {
  std::vector<Line> result;
  std::istringstream in(text);
  for (std::string row; std::getline(in, row);) {
    if (!row.starts_with('[')) continue;
    const char* const end = row.data() + row.size();
    Line line;
    auto [colon, error] = std::from_chars(row.data() + 1, end, line.packets);
    if (error != std::errc() || colon == end) continue;
    auto [bracket, error2] = std::from_chars(colon + 1, end, line.bytes);
    if (error2 != std::errc()) continue;
    std::istringstream rest(std::string(bracket + 1, end));
    std::string append;
    rest >> append >> line.chain;
    if (append == "-A") result.push_back(line);
  }
  return result;
}

}  // namespace

std::string_view to_string(Action action) { return action == Action::drop ? "drop" : "reject"; }

struct Firewall::Impl {
  int netns = -1;
  std::string restore, save;
  std::map<std::string, std::string> environment;
  mutable std::mutex mutex;
  std::map<int, std::vector<Rule>> sets;
  int next = 1;
  std::chrono::nanoseconds last_transaction{0};

  Status timed_commit(const std::string& lines) {
    const auto begin = std::chrono::steady_clock::now();
    auto status = commit(lines);
    last_transaction = std::chrono::steady_clock::now() - begin;
    return status;
  }

  Status commit(const std::string& lines) const {
    auto result = run_tool({restore, "--noflush"}, transaction(lines), netns, environment);
    if (!result) return tl::make_unexpected(result.error());
    if (result->exit != 0)
      return fail("{} failed ({}): {}", restore, result->exit,
                  result->err.substr(0, result->err.find_last_not_of('\n') + 1));
    return {};
  }

  Result<std::vector<Line>> saved() const {
    auto result = run_tool({save, "-c", "-t", "filter"}, "", netns, environment);
    if (!result) return tl::make_unexpected(result.error());
    if (result->exit != 0) return fail("{} failed: {}", save, result->err);
    return parse_saved(result->out);
  }

  Result<std::vector<Counter>> read(int id) const {
    const auto set = sets.find(id);
    if (set == sets.end()) return fail("no set {} in the firewall", id);
    auto lines = saved();
    if (!lines) return tl::make_unexpected(lines.error());
    std::erase_if(*lines, [&](const Line& line) { return line.chain != chain_of(id); });
    std::vector<Counter> result;
    auto line = lines->begin();
    for (const auto& rule : set->second) {
      Counter counter{rule, 0, 0};
      for (std::size_t i = 0; i < lines_per(rule); ++i, ++line) {
        if (line == lines->end()) return fail("rules of set {} are gone from the kernel", id);
        counter.packets += line->packets;
        counter.bytes += line->bytes;
      }
      result.push_back(counter);
    }
    return result;
  }
};

Firewall::Firewall(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Firewall::~Firewall() = default;

Result<std::unique_ptr<Firewall>> Firewall::create(int netns,
                                                   const std::filesystem::path& scratch) {
  auto impl = std::make_unique<Impl>();
  impl->netns = netns;
  // The legacy variant locks a file, /run/xtables.lock by default: shared by all runs of the
  // machine, and not writable for an ordinary user.
  impl->environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
                       {"XTABLES_LOCKFILE", (scratch / "xtables.lock").string()}};
  std::string reasons;
  for (const std::string variant : {"iptables", "iptables-nft", "iptables-legacy"}) {
    impl->restore = find_tool({variant + "-restore"});
    impl->save = find_tool({variant + "-save"});
    if (impl->restore.empty() || impl->save.empty()) continue;
    auto status = impl->commit(fmt::format(":{} - [0:0]\n-I FORWARD -j {}\n", kChain, kChain));
    if (status) return std::unique_ptr<Firewall>(new Firewall(std::move(impl)));
    reasons += (reasons.empty() ? "" : "; ") + status.error().message;
  }
  if (reasons.empty())
    return fail("iptables is missing: partitions need it (apt install iptables)");
  return fail("the kernel refuses iptables in a private network namespace: {}", reasons);
}

Result<int> Firewall::add(const std::vector<Rule>& rules) {
  const std::lock_guard lock(impl_->mutex);
  const int id = impl_->next++;
  std::string lines = fmt::format(":{} - [0:0]\n", chain_of(id));
  for (const auto& rule : rules) lines += lines_of(chain_of(id), rule);
  lines += fmt::format("-A {} -j {}\n", kChain, chain_of(id));
  if (auto status = impl_->timed_commit(lines); !status)
    return tl::make_unexpected(status.error());
  impl_->sets[id] = rules;
  return id;
}

Result<std::vector<Counter>> Firewall::remove(int id) {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->sets.contains(id)) return fail("no set {} in the firewall", id);
  // First out of force, then counted, so that the numbers are final; the chain goes last.
  auto status = impl_->timed_commit(fmt::format("-D {} -j {}\n", kChain, chain_of(id)));
  if (!status) return tl::make_unexpected(status.error());
  auto counters = impl_->read(id);
  impl_->sets.erase(id);
  status = impl_->commit(fmt::format("-F {0}\n-X {0}\n", chain_of(id)));
  if (!status) return tl::make_unexpected(status.error());
  return counters;
}

Result<std::vector<Counter>> Firewall::counters(int id) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->read(id);
}

Result<std::size_t> Firewall::rules_in_force() const {
  const std::lock_guard lock(impl_->mutex);
  auto lines = impl_->saved();
  if (!lines) return tl::make_unexpected(lines.error());
  return static_cast<std::size_t>(std::count_if(lines->begin(), lines->end(), [](const Line& line) {
    return line.chain.starts_with(std::string(kChain) + "-");
  }));
}

std::chrono::nanoseconds Firewall::last_transaction() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->last_transaction;
}

std::string_view Firewall::variant() const {
  return std::string_view(impl_->restore).substr(impl_->restore.rfind('/') + 1);
}

}  // namespace gameday::lab
