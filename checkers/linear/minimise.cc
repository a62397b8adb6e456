#include "checkers/linear/minimise.h"

#include <algorithm>

#include "checkers/linear/jit.h"

namespace gameday::linear {
namespace {

// What is left of `kept` without the stretch [from, until) and all that saw something made in it.
std::vector<std::size_t> without(const Model& model, const std::vector<Operation>& ops,
                                 const std::vector<std::size_t>& kept, std::size_t from,
                                 std::size_t until) {
  std::vector<char> gone(kept.size());
  std::vector<std::size_t> todo;
  for (std::size_t i = from; i < until; ++i) {
    gone[i] = 1;
    todo.push_back(i);
  }
  while (!todo.empty()) {
    const std::size_t source = todo.back();
    todo.pop_back();
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (gone[i] || !model.depends(ops[kept[i]], ops[kept[source]])) continue;
      gone[i] = 1;
      todo.push_back(i);
    }
  }
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (!gone[i]) left.push_back(kept[i]);
  return left;
}

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
  std::vector<char> in(ops.size());
  std::vector<std::size_t> todo = start;
  for (const std::size_t i : todo) in[i] = 1;
  while (!todo.empty()) {
    const std::size_t op = todo.back();
    todo.pop_back();
    for (std::size_t i = 0; i < ops.size(); ++i) {
      if (in[i] || !model.depends(ops[op], ops[i])) continue;
      in[i] = 1;
      todo.push_back(i);
    }
  }
  std::vector<std::size_t> closed;
  for (std::size_t i = 0; i < ops.size(); ++i)
    if (in[i]) closed.push_back(i);
  return closed;
}

std::vector<std::size_t> minimise(const Model& model, const std::vector<Operation>& ops,
                                  std::vector<std::size_t> start, const Limits& limits) {
  gameday::Limits judged;
  judged.memory_bytes = limits.memory_bytes;
  judged.deadline = limits.deadline;
  std::vector<std::size_t> kept = std::move(start);
  for (std::size_t chunk = std::max<std::size_t>(1, kept.size() / 2); chunk >= 1; chunk /= 2) {
    for (std::size_t end = kept.size(); end > 0;) {
      if (std::chrono::steady_clock::now() >= limits.deadline) return kept;
      const std::size_t from = end > chunk ? end - chunk : 0;
      auto smaller = without(model, ops, kept, from, end);
      if (judge(model, pick(ops, smaller), judged).verdict == Verdict::invalid) {
        kept = std::move(smaller);
        end = std::min(from, kept.size());
      } else {
        end = from;
      }
    }
  }
  return kept;
}

}  // namespace gameday::linear
