#include "checkers/model.h"

#include <array>

#include "checkers/linear/by_key.h"
#include "checkers/linear/models/models.h"

namespace gameday {
namespace {

using namespace linear::objects;

template <const linear::Object& object>
CheckResult judged(const ModelInput& input) {
  return linear::check(object, input);
}

template <const linear::Object& object>
CheckResult judged_by_key(const ModelInput& input) {
  return linear::check_by_key(object, input);
}

// Linearizability is closed under prefixes (Herlihy and Wing, TOPLAS 12(3), 1990, section 3): what is
// INVALID stays so however the history goes on.
constexpr bool kEarly = true;

struct Row {
  Model model;
  const linear::Object* object;  // what all operations are of; nullptr: of several
};

template <const linear::Object& object>
constexpr Row row(std::string_view name, std::string_view aliases, std::string_view summary) {
  return {{name, aliases, summary, judged<object>, kEarly}, &object};
}

// Whose operations are of a key each.
template <const linear::Object& object>
constexpr Row keyed_row(std::string_view name, std::string_view aliases, std::string_view summary) {
  return {{name, aliases, summary, judged_by_key<object>, kEarly, /*keyed=*/true}, nullptr};
}

// A model of one's own is one line here, one in models/models.h, and its file (models/mutex.cc).
constexpr Row kRows[] = {
    row<kRegister>("register", "rw-single-register", "reads and writes of one register"),
    row<kRegister>("cas-register", "etcd", "one register with compare-and-set (cas [old new])"),
    row<kMutex>("mutex", "lock", "a lock that is acquired and released by anybody"),
    row<kOwnerMutex>("owner-mutex", "owner-aware-mutex", "a lock that its holder alone releases"),
    row<kReentrantMutex>("reentrant-mutex", "reentrant-lock",
                         "a lock that its holder may acquire again, up to --permits times"),
    row<kSemaphore>("semaphore", "acquired-permits",
                    "--permits permits (2), released by the process that acquired them"),
    row<kCounter>("linearizable-counter", "counter-linearizable", "a sum that is read exactly"),
    row<kSet>("linearizable-set", "gset g-set", "a set: add, read of the whole"),
    row<kFifoQueue>("fifo-queue", "", "first in, first out; nil: it was empty"),
    row<kUnorderedQueue>("unordered-queue", "bag", "a queue that gives what it has in any order"),
    row<kStack>("stack", "lifo", "last in, first out: push, pop; nil: it was empty"),
    row<kPriorityQueue>("priority-queue", "heap", "the greatest integer first: insert, extract"),
    row<kLog>("append-log", "linearizable-log", "an append-only log: append, read of the whole"),
    {{"multi-register", "multi-registers", "registers read and written together: [[:r k v] [:w k v]]",
      check_multi_register, kEarly},
     nullptr},
    keyed_row<kKv>("kv", "kv-map porcupine-kv kvmodel",
                   "a map of keys to strings: get, put, append; values are [key string]"),
};

}  // namespace

std::span<const Model> linear_models() {
  static const auto models = [] {
    std::array<Model, std::size(kRows)> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = kRows[i].model;
    return all;
  }();
  return models;
}

const linear::Object* linear::objects::find(std::string_view model) {
  for (const Row& row : kRows)
    if (row.model.name == model) return row.object;
  return nullptr;
}

}  // namespace gameday
