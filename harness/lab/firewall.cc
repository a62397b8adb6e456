#include "harness/lab/firewall.h"

#include <map>
#include <mutex>

#include "harness/lab/chains.h"

namespace gameday::lab {
namespace {

constexpr const char* kFilterRoot = "GAMEDAY";

// A Rule becomes one rule of iptables, or two when TCP is answered differently from the rest.
std::size_t lines_per(const Rule& rule) { return rule.action == Action::reject ? 2 : 1; }

void append_lines(const Rule& rule, Chains::Rules& lines) {
  std::string match;
  if (!rule.from.empty()) match += "-s " + rule.from + " ";
  if (!rule.to.empty()) match += "-d " + rule.to + " ";
  if (rule.action == Action::drop) {
    lines.push_back(match + "-j DROP");
    return;
  }
  lines.push_back(match + "-p tcp -j REJECT --reject-with tcp-reset");
  lines.push_back(match + "-j REJECT --reject-with icmp-admin-prohibited");
}

}  // namespace

std::string_view to_string(Action action) { return action == Action::drop ? "drop" : "reject"; }

struct Firewall::Impl {
  explicit Impl(Chains made) : chains(std::move(made)) {}

  Chains chains;
  mutable std::mutex mutex;  // for the sets; chains look after themselves
  std::map<int, std::vector<Rule>> sets;

  Result<std::vector<Counter>> counters(int id, Result<std::vector<Chains::Count>> counts) const {
    if (!counts) return tl::make_unexpected(counts.error());
    std::vector<Counter> result;
    auto count = counts->begin();
    const std::lock_guard lock(mutex);
    const auto set = sets.find(id);
    if (set == sets.end()) return fail("no set {} in the firewall", id);
    for (const auto& rule : set->second) {
      Counter counter{rule, 0, 0};
      for (std::size_t i = 0; i < lines_per(rule); ++i, ++count) {
        counter.packets += count->packets;
        counter.bytes += count->bytes;
      }
      result.push_back(counter);
    }
    return result;
  }
};

Firewall::Firewall(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Firewall::~Firewall() = default;

Result<std::unique_ptr<Firewall>> Firewall::create(int netns) {
  auto chains = Chains::create(netns, "filter", kFilterRoot);
  if (!chains) return tl::make_unexpected(chains.error());
  return std::unique_ptr<Firewall>(new Firewall(std::make_unique<Impl>(std::move(*chains))));
}

Result<int> Firewall::add(const std::vector<Rule>& rules) {
  Chains::Rules lines;
  for (const auto& rule : rules) append_lines(rule, lines);
  auto id = impl_->chains.add(lines);
  if (!id) return id;
  const std::lock_guard lock(impl_->mutex);
  impl_->sets[*id] = rules;
  return id;
}

Result<std::vector<Counter>> Firewall::remove(int id) {
  auto counters = impl_->counters(id, impl_->chains.remove(id));
  const std::lock_guard lock(impl_->mutex);
  impl_->sets.erase(id);
  return counters;
}

Result<std::vector<Counter>> Firewall::counters(int id) const {
  return impl_->counters(id, impl_->chains.counts(id));
}

Result<std::size_t> Firewall::rules_in_force() const { return impl_->chains.rules_in_force(); }

Status Firewall::include_output(std::uint32_t mark) {
  return impl_->chains.commit(fmt::format("-A OUTPUT -m mark --mark {} -j {}\n", mark, kFilterRoot));
}

std::chrono::nanoseconds Firewall::last_transaction() const {
  return impl_->chains.last_transaction();
}

std::string_view Firewall::variant() const { return impl_->chains.variant(); }

}  // namespace gameday::lab
