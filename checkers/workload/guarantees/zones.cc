#include "checkers/workload/guarantees/zones.h"

#include <algorithm>

namespace gameday::guarantees {
namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// One key's acknowledged writes in the order of their begins, and its reads.
class KeyStaleness {
 public:
  KeyStaleness(const Registers& registers, const std::vector<Zone>& zones)
      : registers_(registers), zones_(zones) {}

  void clear() {
    writes_.clear();
    reads_.clear();
  }
  void add(std::uint32_t access) {
    const Access& a = registers_.accesses[access];
    if (!a.write)
      reads_.push_back(access);
    else if (a.certain)
      writes_.push_back(access);
  }

  void judge(std::vector<Stale>& to) {
    earliest_.assign(writes_.size() + 1, -1);  // of the writes from here on: the first to end
    for (std::size_t i = writes_.size(); i-- > 0;) {
      const std::int32_t later = earliest_[i + 1];
      const bool first = later < 0 || end(writes_[i]) < end(static_cast<std::uint32_t>(later));
      earliest_[i] = first ? static_cast<std::int32_t>(writes_[i]) : later;
    }
    by_end_.resize(writes_.size());
    for (std::uint32_t i = 0; i < by_end_.size(); ++i) by_end_[i] = i;
    std::sort(by_end_.begin(), by_end_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return end(writes_[a]) < end(writes_[b]); });
    tree_.assign(writes_.size() + 1, 0);
    std::size_t ended = 0;
    for (const std::uint32_t read : reads_) {
      const std::int64_t begin = invoked(registers_, registers_.accesses[read]);
      for (; ended < by_end_.size() && end(writes_[by_end_[ended]]) < begin; ++ended)
        count(by_end_[ended]);
      to.push_back(of(read, begin, ended));
    }
  }

 private:
  std::int64_t end(std::uint32_t access) const {
    return finished(registers_, registers_.accesses[access]);
  }

  Stale of(std::uint32_t read, std::int64_t begin, std::size_t ended) const {
    const std::int64_t written = zones_[at(registers_.accesses[read].version)].finish;
    const auto first = std::partition_point(writes_.begin(), writes_.end(), [&](std::uint32_t w) {
      return invoked(registers_, registers_.accesses[w]) <= written;
    });
    const std::size_t from = at(first - writes_.begin());
    const std::int32_t overwriter = earliest_[from];
    if (overwriter < 0 || end(static_cast<std::uint32_t>(overwriter)) >= begin)
      return {read, 0, -1};
    return {read, static_cast<std::int64_t>(ended) - before(from), overwriter};
  }

  // Fenwick's tree (1994) of the writes that have ended, by their begin.
  void count(std::size_t i) {
    for (++i; i < tree_.size(); i += i & (~i + 1)) ++tree_[i];
  }
  std::int64_t before(std::size_t i) const {
    std::int64_t sum = 0;
    for (; i > 0; i &= i - 1) sum += tree_[i];
    return sum;
  }

  const Registers& registers_;
  const std::vector<Zone>& zones_;
  std::vector<std::uint32_t> writes_, reads_, by_end_;
  std::vector<std::int32_t> earliest_;
  std::vector<std::int64_t> tree_;
};

}  // namespace

std::int64_t invoked(const Registers& registers, const Access& a) {
  return registers.events.pairs()[a.pair].invoke;
}

std::int64_t finished(const Registers& registers, const Access& a) {
  return a.certain ? registers.events.pairs()[a.pair].done : kNever;
}

std::vector<Zone> zones(const Registers& registers) {
  std::vector<Zone> zones(registers.versions.size());
  for (std::size_t k = 0; k < registers.keys.size(); ++k) zones[k] = {-1, -1, true};
  for (const Access& a : registers.accesses) {
    Zone& zone = zones[at(a.version)];
    zone.finish = std::min(zone.finish, finished(registers, a));
    zone.start = std::max(zone.start, invoked(registers, a));
    zone.happened = zone.happened || a.certain;
  }
  for (std::size_t v = registers.keys.size(); v < zones.size();
       ++v) {  // nothing is there before its write
    if (registers.versions[v].writer < 0) continue;
    const Access& write = registers.accesses[at(registers.versions[v].writer)];
    zones[v].finish = std::max(zones[v].finish, invoked(registers, write));
  }
  return zones;
}

std::vector<Stale> staleness(const Registers& registers, const std::vector<Zone>& zones) {
  std::vector<std::uint32_t> first(registers.keys.size() + 1, 0);
  const auto key = [&](const Access& a) { return at(registers.versions[at(a.version)].key); };
  for (const Access& a : registers.accesses) ++first[key(a) + 1];
  for (std::size_t k = 0; k < registers.keys.size(); ++k) first[k + 1] += first[k];
  std::vector<std::uint32_t> order(registers.accesses.size()), next(first.begin(), first.end() - 1);
  for (std::uint32_t i = 0; i < registers.accesses.size(); ++i)
    order[next[key(registers.accesses[i])]++] = i;
  std::vector<Stale> all;
  KeyStaleness of(registers, zones);
  for (std::size_t k = 0; k < registers.keys.size(); ++k) {
    of.clear();
    for (std::uint32_t i = first[k]; i < first[k + 1]; ++i) of.add(order[i]);
    of.judge(all);
  }
  return all;
}

}  // namespace gameday::guarantees
