#include "checkers/txn/differential.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <stdexcept>

#include "checkers/txn/list_append.h"
#include "checkers/txn/small_history.h"

namespace gameday::txn {
namespace {

CheckResult check(const Events& events, const std::string& model) {
  ModelOptions options;
  options.consistency = {model};
  return check_list_append({events, options, Limits()});
}

// What is wrong with the verdicts on one history; empty: nothing.
std::string judge(const SmallHistory& history, Rng& rng) {
  using Level = SmallHistory::Level;
  const Events events = history.events();
  constexpr std::pair<Level, const char*> kLevels[] = {
      {Level::serializable, "serializable"},
      {Level::session, "strong-session-serializable"},
      {Level::strict, "strict-serializable"}};
  const auto& [level, name] = kLevels[rng.below(3)];
  const CheckResult result = check(events, name);
  const bool possible = history.some_order(level);
  if (possible && result.verdict == Verdict::invalid)
    return fmt::format("{}: INVALID ({}), but there is an order", name, result.summary);
  if (!possible && result.verdict != Verdict::invalid && history.complete())
    return fmt::format("{}: {}, but there is no order", name, to_string(result.verdict));
  for (const std::string& promise : history.promises)
    if (const CheckResult kept = check(events, promise); kept.verdict == Verdict::invalid)
      return fmt::format("{}: INVALID ({}), but the database kept it", promise, kept.summary);
  return {};
}

}  // namespace

std::string differential(std::string_view model, std::uint64_t seed, std::size_t histories) {
  if (model != "list-append")
    throw std::invalid_argument(fmt::format("no brute force for {}", model));
  Rng rng(seed);
  for (std::size_t i = 0; i < histories; ++i) {
    const SmallHistory history = SmallHistory::random(rng);
    if (const std::string wrong = judge(history, rng); !wrong.empty())
      return fmt::format("history {} of seed {}: {}\n{}", i, seed, wrong, history.text());
  }
  return {};
}

}  // namespace gameday::txn
