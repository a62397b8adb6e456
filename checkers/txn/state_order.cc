#include "checkers/txn/state_order.h"

#include <fmt/format.h>

#include <stdexcept>
#include <unordered_map>

#include "checkers/txn/version_order.h"

namespace gameday::txn {
namespace {

using Link = std::pair<std::uint32_t, std::uint32_t>;  // the first comes before the second

// The same history, row by row, of registers: a state is a value, the unborn one nil.
class AsRegisters {
 public:
  AsRegisters(const Table& table, std::span<const Selected> selected)
      : table_(table), values_(events_.mutable_values().writer()) {
    read_ = values_.keyword("r");
    write_ = values_.keyword("w");
    const Events& from = table.events();
    std::vector<Value> row_values(from.size());
    std::size_t next = 0;
    for (Node t = 0; t < table.size(); ++t) {
      const Pair& pair = table.pair(t);
      const std::size_t end = count_of(selected, next, t);
      const Value all = transaction(t, selected.subspan(next, end - next));
      next = end;
      row_values[pair.invoke] = all;
      if (pair.done >= 0) row_values[static_cast<std::size_t>(pair.done)] = all;
    }
    events_.reserve(from.size());
    const Events::Name f = events_.name("txn");
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (!from.is_client(i)) continue;
      events_.append({from.type(i), from.process(i), f,
                      row_values[i].is_nil() ? values_.vector({}) : row_values[i], from.time(i),
                      from.index(i), Value()});
    }
    if (const auto paired = events_.pair_up(); !paired)
      throw std::logic_error(paired.error().message);
  }

  const Events& events() const { return events_; }
  // Of a key and a value as they are worded there; kNone: none.
  std::uint32_t state(const std::string& key, const std::string& value) const {
    const auto found = states_.find(key + " " + value);
    return found == states_.end() ? kNone : found->second;
  }

 private:
  static std::size_t count_of(std::span<const Selected> selected, std::size_t at, Node t) {
    while (at < selected.size() && selected[at].t == t) ++at;
    return at;
  }

  // Selections by the place of their micro-operation, before the transaction's own writes to the
  // key.
  Value transaction(Node t, std::span<const Selected> selected) {
    std::vector<Value> all;
    std::size_t next = 0;
    const auto mops = table_.mops(t);
    for (std::uint32_t m = 0; m < mops.size(); ++m) {
      if (mops[m].changes())
        all.push_back(values_.vector({write_, key(mops[m].target), word(mops[m].version)}));
      for (; next < selected.size() && selected[next].mop == m; ++next)
        all.push_back(values_.vector(
            {read_, key(table_.state(selected[next].state).key), word(selected[next].state)}));
    }
    return values_.vector(all);
  }
  Value key(std::uint32_t k) { return values_.symbol(table_.key_text(k)); }
  Value word(std::uint32_t v) {
    const Table::State& state = table_.state(v);
    if (state.writer == kNone) return {};
    std::string text = table_.state_text(v);
    const std::string name = table_.key_text(state.key) + " ";
    // A key may be deleted many times, or be written the same value by several.
    const auto [at, fresh] = states_.try_emplace(name + text, v);
    if (!fresh && at->second != v) {
      text += fmt::format(" by op {} (state {})", table_.op(state.writer), v);
      states_.try_emplace(name + text, v);
    }
    return values_.symbol(text);
  }

  const Table& table_;
  Events events_;
  Values::Writer& values_;
  Value read_, write_;
  std::unordered_map<std::string, std::uint32_t> states_;
};

void infer(const Table& table, std::span<const Selected> selected, const ModelInput& input,
           Anomalies& anomalies, std::vector<Link>& links) {
  const AsRegisters same(table, selected);
  const Registers registers(same.events(), input.limits);
  const auto state = [&](Version v) {
    return same.state(registers.key_text(registers.key_of(v)), registers.value_text(v));
  };
  for (const VersionEdge& e :
       order_versions(registers, Externals(registers), input.options, input.limits, anomalies)) {
    const std::uint32_t from = state(e.from), to = state(e.to);
    if (from != kNone && to != kNone) links.emplace_back(from, to);
  }
}

}  // namespace

StateOrder::StateOrder(const Table& table, std::span<const Selected> selected,
                       const ModelInput& input, Anomalies& anomalies)
    : table_(table) {
  std::vector<Link> links;
  if (input.options.wfr_keys || input.options.sequential_keys || input.options.linearizable_keys)
    infer(table, selected, input, anomalies, links);
  // What the table began with comes first; of those that follow another one, by that one.
  std::vector<bool> follows(table.states(), false);
  for (const Link& link : links) follows[link.second] = true;
  for (std::uint32_t k = 0; k < table.keys(); ++k) {
    const std::uint32_t first = table.initial(k);
    if (first != k) links.emplace_back(k, first);
    for (const std::uint32_t v : table.installed(k))
      if (v != first && !follows[v]) links.emplace_back(first, v);
  }
  firsts_.assign(table.states() + 1, 0);
  for (const Link& link : links) ++firsts_[link.first + 1];
  for (std::size_t i = 1; i < firsts_.size(); ++i) firsts_[i] += firsts_[i - 1];
  all_.resize(links.size());
  auto next = firsts_;
  for (const Link& link : links) all_[next[link.first]++] = link.second;
}

}  // namespace gameday::txn
