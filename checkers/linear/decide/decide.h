// Decisions without a search: where all values that were put in are different, the literature has
// algorithms in (near) linear time. Each function says whether it applies to these operations; where
// it does not, the general search (search.h) decides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "checkers/linear/model.h"
#include "harness/core/verdict.h"

namespace gameday::linear {

// Values are numbered densely from 0 (Dense of checkers/events/value.h).
inline constexpr std::int32_t kNil = -1;      // nil: an empty register, a dequeue that found nothing
inline constexpr std::int32_t kUnknown = -2;  // an answer that is not known (info, or a nil read)

// Kinds of operations of each object; a is what was given, b what was answered.
namespace kind {
inline constexpr std::int32_t read = 0, write = 1, cas = 2;    // register: read b; write a; a -> b
inline constexpr std::int32_t enqueue = 0, dequeue = 1;        // queues: enqueue a; dequeue b
inline constexpr std::int32_t push = 0, pop = 1;               // stack: push a; pop b
inline constexpr std::int32_t insert = 0, extract_max = 1;     // priority queue: value a is its rank
inline constexpr std::int32_t add = 0, read_set = 1, contains = 2, remove = 3;
    // set: add a; read_set b (a list); contains a -> b (0 or 1); remove a -> b (0 or 1)
inline constexpr std::int32_t append = 0, read_log = 1;
    // log: append a -> b (its position, or kUnknown); read_log b (a list: the whole log)
}  // namespace kind

// Lists that operations name by number.
struct Lists {
  std::vector<std::int32_t> items;
  std::vector<std::size_t> begin{0};
  std::int32_t add(std::span<const std::int32_t> list) {
    items.insert(items.end(), list.begin(), list.end());
    begin.push_back(items.size());
    return static_cast<std::int32_t>(begin.size()) - 2;
  }
  std::span<const std::int32_t> of(std::int32_t id) const {
    const auto i = static_cast<std::size_t>(id);
    return std::span(items).subspan(begin[i], begin[i + 1] - begin[i]);
  }
};

struct Decision {
  bool applies = false;
  Verdict verdict = Verdict::unknown;   // valid or invalid, where it applies
  std::vector<std::size_t> conflict;    // INVALID: a few operations that alone are INVALID already
  std::string why;                      // INVALID: in words of values and operations by number: "#3"
};

// Operations come in any order; call and ret are positions in real-time order, all different, with
// ret == kPending for info. Values of operations may be any numbers >= 0, not always dense.
Decision decide_register(std::span<const Operation> ops, std::int32_t initial);
Decision decide_fifo_queue(std::span<const Operation> ops);
Decision decide_unordered_queue(std::span<const Operation> ops);
Decision decide_stack(std::span<const Operation> ops);
Decision decide_priority_queue(std::span<const Operation> ops);
Decision decide_set(std::span<const Operation> ops, const Lists& lists);
Decision decide_log(std::span<const Operation> ops, const Lists& lists);

}  // namespace gameday::linear
