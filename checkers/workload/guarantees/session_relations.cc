#include <algorithm>
#include <unordered_map>

#include "checkers/workload/guarantees/session.h"

namespace gameday::guarantees {
namespace {

// The latest operations of a session on a key.
struct Latest {
  std::int32_t read = -1, write = -1;  // accesses; no reads of the initial value
  std::int32_t earlier_write = -1;     // the one before `write`
};

// Tarjan's strongly connected components (1972) without recursion.
class Components {
 public:
  Components(std::size_t nodes, const std::vector<Relation>& relations) : nodes_(nodes) {
    first_.assign(nodes + 1, 0);
    for (const Relation& r : relations) ++first_[at(r.from) + 1];
    for (std::size_t n = 0; n < nodes; ++n) first_[n + 1] += first_[n];
    to_.resize(relations.size());
    std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
    for (const Relation& r : relations) to_[next[at(r.from)]++] = r.to;
  }

  std::vector<std::int32_t> find() && {
    number_.assign(nodes_, 0);
    low_.assign(nodes_, 0);
    component_.assign(nodes_, -1);
    next_.assign(first_.begin(), first_.end() - 1);
    for (std::size_t n = 0; n < nodes_; ++n)
      if (number_[n] == 0) from(static_cast<std::int32_t>(n));
    return std::move(component_);
  }

 private:
  static std::size_t at(std::int32_t n) { return static_cast<std::size_t>(n); }

  void enter(std::int32_t n) {
    number_[at(n)] = low_[at(n)] = ++count_;
    path_.push_back(n);
    open_.push_back(n);
  }

  void from(std::int32_t root) {
    enter(root);
    while (!path_.empty()) {
      const std::int32_t n = path_.back();
      if (next_[at(n)] < first_[at(n) + 1]) {
        const std::int32_t m = to_[next_[at(n)]++];
        if (number_[at(m)] == 0)
          enter(m);
        else if (component_[at(m)] < 0)
          low_[at(n)] = std::min(low_[at(n)], number_[at(m)]);
        continue;
      }
      path_.pop_back();
      if (!path_.empty()) low_[at(path_.back())] = std::min(low_[at(path_.back())], low_[at(n)]);
      if (low_[at(n)] == number_[at(n)]) close(n);
    }
  }

  void close(std::int32_t n) {
    for (std::int32_t m = -1; m != n; open_.pop_back()) {
      m = open_.back();
      component_[at(m)] = components_;
    }
    ++components_;
  }

  std::size_t nodes_;
  std::vector<std::uint32_t> first_, next_;
  std::vector<std::int32_t> to_, number_, low_, component_, path_, open_;
  std::int32_t count_ = 0, components_ = 0;
};

}  // namespace

std::string_view to_string(Guarantee guarantee) {
  static constexpr std::string_view kNames[] = {"read-your-writes", "monotonic-reads",
                                                "writes-follow-reads", "monotonic-writes"};
  return kNames[static_cast<std::size_t>(guarantee)];
}

std::vector<Relation> session_relations(const Registers& registers) {
  const Events& events = registers.events;
  const std::vector<Access>& all = registers.accesses;
  std::vector<Relation> relations;
  relations.reserve(all.size());
  std::unordered_map<std::uint64_t, Latest> latest;
  latest.reserve(std::min(all.size(), std::size_t{1} << 16));
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    const Access& a = all[i];
    const std::int32_t key = registers.versions[static_cast<std::size_t>(a.version)].key;
    const auto process = static_cast<std::uint32_t>(events.process(events.pairs()[a.pair].invoke));
    Latest& of =
        latest[static_cast<std::uint64_t>(process) << 32 | static_cast<std::uint32_t>(key)];
    const auto relate = [&](std::int32_t before, Guarantee guarantee) {
      if (before < 0) return;
      const std::int32_t from = all[static_cast<std::size_t>(before)].version;
      if (from == a.version && !a.write) return;
      relations.push_back({from, a.version, static_cast<std::uint32_t>(before), i, guarantee});
    };
    relate(of.read, a.write ? Guarantee::writes_follow_reads : Guarantee::monotonic_reads);
    const bool own =
        !a.write && of.write >= 0 && all[static_cast<std::size_t>(of.write)].version == a.version;
    relate(own ? of.earlier_write : of.write,
           a.write ? Guarantee::monotonic_writes : Guarantee::read_your_writes);
    if (a.write && a.certain) {
      of.earlier_write = of.write;
      of.write = static_cast<std::int32_t>(i);
    } else if (!a.write && static_cast<std::size_t>(a.version) >= registers.keys.size()) {
      of.read = static_cast<std::int32_t>(i);
    }
  }
  return relations;
}

std::vector<std::int32_t> cyclic(const Registers& registers,
                                 const std::vector<Relation>& relations) {
  const std::vector<std::int32_t> component =
      Components(registers.versions.size(), relations).find();
  std::vector<std::int32_t> cycle(relations.size(), -1);
  for (std::size_t i = 0; i < relations.size(); ++i) {
    const Relation& r = relations[i];
    const std::int32_t of = component[static_cast<std::size_t>(r.to)];
    const bool back = static_cast<std::size_t>(r.to) < registers.keys.size();
    if (back || of == component[static_cast<std::size_t>(r.from)]) cycle[i] = of;
  }
  return cycle;
}

}  // namespace gameday::guarantees
