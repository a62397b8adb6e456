#include "checkers/linear/minimise.h"

#include <algorithm>
#include <unordered_map>

#include "checkers/linear/jit.h"

namespace gameday::linear {
namespace {

class Sources {
 public:
  Sources(const Model& model, const std::vector<Operation>& ops) : model_(model), ops_(ops) {}

  // Those that the operation may have seen where the operations in `kept` are there too.
  std::vector<std::size_t> needed(std::size_t op, const std::vector<std::size_t>& kept) {
    const auto& all = of(op);
    if (all.empty()) return {};
    std::int64_t hidden = -1;  // what returned before this is
    for (const std::size_t k : kept)
      if (ops_[k].ret < ops_[op].call && model_.hides(ops_[k], ops_[op]))
        hidden = std::max(hidden, ops_[k].call);
    std::vector<std::size_t> seen;
    for (const std::size_t s : all)
      if (ops_[s].ret >= hidden) seen.push_back(s);
    return seen;
  }
  const std::vector<std::size_t>& of(std::size_t op) {
    const auto [it, added] = known_.try_emplace(op);
    if (!added) return it->second;
    for (std::size_t i = 0; i < ops_.size(); ++i)
      if (i != op && ops_[i].call < ops_[op].ret && model_.depends(ops_[op], ops_[i]))
        it->second.push_back(i);
    return it->second;
  }

  // Leaves out whatever has lost a source, until nothing has.
  void close(std::vector<std::size_t>& kept, std::vector<char>& in) {
    for (bool changed = true; changed;) {
      changed = false;
      const auto lacks = [&](std::size_t op) {
        const auto there = [&](std::size_t s) { return in[s] != 0; };
        const auto& all = of(op);
        if (all.empty()) return false;
        if (std::none_of(all.begin(), all.end(), there)) return true;
        const auto seen = needed(op, kept);
        return !std::all_of(seen.begin(), seen.end(), there);
      };
      std::vector<std::size_t> left;
      for (const std::size_t op : kept)
        if (!lacks(op)) left.push_back(op);
      changed = left.size() < kept.size();
      for (const std::size_t op : kept) in[op] = 0;
      for (const std::size_t op : left) in[op] = 1;
      kept = std::move(left);
    }
  }

 private:
  const Model& model_;
  const std::vector<Operation>& ops_;
  std::unordered_map<std::size_t, std::vector<std::size_t>> known_;
};

}  // namespace

std::vector<Operation> pick(const std::vector<Operation>& ops,
                            const std::vector<std::size_t>& kept) {
  std::vector<Operation> picked;
  picked.reserve(kept.size());
  for (const std::size_t i : kept) picked.push_back(ops[i]);
  return picked;
}

std::vector<std::size_t> with_sources(const Model& model, const std::vector<Operation>& ops,
                                      const std::vector<std::size_t>& start) {
  Sources sources(model, ops);
  std::vector<char> in(ops.size());
  std::vector<std::size_t> kept = start;
  for (const std::size_t i : kept) in[i] = 1;
  const auto keep = [&](std::size_t i) {
    if (!in[i]) kept.push_back(i);
    in[i] = 1;
  };
  for (std::size_t k = 0; k < kept.size(); ++k) {
    const auto& all = sources.of(kept[k]);
    if (all.empty()) continue;
    for (const std::size_t s : sources.needed(kept[k], kept)) keep(s);
    const auto earlier = [&](std::size_t x, std::size_t y) { return ops[x].ret < ops[y].ret; };
    if (std::none_of(all.begin(), all.end(), [&](std::size_t s) { return in[s] != 0; }))
      keep(*std::max_element(all.begin(), all.end(), earlier));
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

std::vector<std::size_t> minimise(const Model& model, const std::vector<Operation>& ops,
                                  std::vector<std::size_t> start, const Limits& limits) {
  gameday::Limits judged;
  judged.memory_bytes = limits.memory_bytes;
  judged.deadline = limits.deadline;
  Sources sources(model, ops);
  std::vector<char> in(ops.size());
  std::vector<std::size_t> kept = std::move(start);
  for (std::size_t chunk = std::max<std::size_t>(1, kept.size() / 2); chunk >= 1;) {
    const std::size_t before = kept.size();
    for (std::size_t end = kept.size(); end > 0;) {
      if (std::chrono::steady_clock::now() >= limits.deadline) return kept;
      const std::size_t from = end > chunk ? end - chunk : 0;
      auto smaller = kept;
      smaller.erase(smaller.begin() + static_cast<std::ptrdiff_t>(from),
                    smaller.begin() + static_cast<std::ptrdiff_t>(end));
      for (const std::size_t i : smaller) in[i] = 1;
      sources.close(smaller, in);
      for (const std::size_t i : smaller) in[i] = 0;
      if (judge(model, pick(ops, smaller), judged).verdict == Verdict::invalid) {
        kept = std::move(smaller);
        end = std::min(from, kept.size());
      } else {
        end = from;
      }
    }
    if (chunk > 1 || kept.size() == before) chunk /= 2;
  }
  return kept;
}

}  // namespace gameday::linear
