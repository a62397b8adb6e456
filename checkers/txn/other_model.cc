#include "checkers/txn/other_model.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace gameday::txn {
namespace {

// By a function that only transactions or workloads of that kind have.
std::string_view by_mop(const Values& values, Value mop) {
  if (!mop.is_sequence()) return {};
  const auto items = values.items(mop);
  if (items.size() < 2) return {};
  const auto is = [&](std::string_view f) { return values.says(items[0], f); };
  if (is("append")) return "list-append";
  if (is("rp") || is("insert") || is("delete") || is("upsert")) return "closed-predicate";
  if (is("w")) return "rw-register";
  if (!is("r") || items.size() < 3 || items[2].is_nil()) return {};
  return items[2].is_sequence() ? "list-append" : "rw-register";
}

std::string_view by_function(std::string_view f) {
  constexpr std::pair<std::string_view, std::string_view> kModelOf[] = {{"init", "closed-predicate"},
                                                                       {"transfer", "bank"},
                                                                       {"cas", "cas-register"},
                                                                       {"write", "register"},
                                                                       {"enqueue", "queue"},
                                                                       {"acquire", "mutex"},
                                                                       {"add", "set"},
                                                                       {"poll", "kafka"},
                                                                       {"generate", "unique-ids"}};
  for (const auto& [name, model] : kModelOf)
    if (f == name) return model;
  return {};
}

}  // namespace

std::string other_model(const Events& events) {
  constexpr std::size_t kLook = 1000;
  std::string_view model;
  for (std::size_t i = 0; i < events.size() && i < kLook; ++i) {
    if (!events.is_client(i)) continue;
    std::string_view told = by_function(events.name_text(events.f(i)));
    const Value value = events.value(i);
    if (value.is_sequence())
      for (const Value mop : events.values().items(value))
        if (const auto found = by_mop(events.values(), mop); !found.empty()) told = found;
    // A compare-and-set among writes of a register, deletions among writes of rows: the richer one.
    if (model.empty() || told == "cas-register" || told == "closed-predicate")
      model = told.empty() ? model : told;
  }
  return model.empty() ? "" : fmt::format("; --model {} would fit", model);
}

}  // namespace gameday::txn
