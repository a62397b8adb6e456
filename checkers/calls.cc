#include "checkers/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace gameday {
namespace {

const Json kNull;

std::string_view outcome_word(const Call& call) {
  switch (call.outcome) {
    case OpType::ok:
      return "acknowledged";
    case OpType::fail:
      return "failed for certain";
    default:
      return call.done < 0 ? "never answered" : "outcome not known";
  }
}

// Whether an answer repeats what it has to. One of another shape is not judged here.
bool repeats(std::string_view f, const Json& asked, const Json& said) {
  const auto has = [](const Json& list, std::size_t n) { return list.is_array() && list.size() == n; };
  if (f == "write" || f == "cas") return said.is_null() || said == asked;
  if (f == "read" || f == "get") return !has(asked, 2) || !has(said, 2) || said[0] == asked[0];
  if (f == "add") return !has(said, 2) || said[0] == asked;
  if (f != "append" || !has(said, 3)) return true;
  return has(asked, 2) && said[0] == asked[0] && said[1] == asked[1];
}

}  // namespace

std::vector<std::int64_t> Call::indices() const {
  std::vector<std::int64_t> both{static_cast<std::int64_t>(invoke)};
  if (done >= 0) both.push_back(done);
  return both;
}

std::vector<Call> calls_of(const History& history, std::initializer_list<std::string_view> fs) {
  std::vector<History::Name> wanted;
  for (const auto f : fs)
    if (const auto id = history.find_name(f); id != History::kNoName) wanted.push_back(id);
  std::vector<Call> calls;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (!history.is_client(i) || history.type(i) != OpType::invoke) continue;
    if (std::find(wanted.begin(), wanted.end(), history.f(i)) == wanted.end()) continue;
    Call call{i, history.pair(i), OpType::info};
    if (call.done >= 0) call.outcome = history.type(static_cast<std::size_t>(call.done));
    calls.push_back(call);
  }
  return calls;
}

const std::string& f_of(const History& history, const Call& call) {
  return history.name(history.f(call.invoke));
}

const std::string& node_of(const History& history, const Call& call) {
  if (call.done >= 0) {
    const auto& answered = history.name(history.node(static_cast<std::size_t>(call.done)));
    if (!answered.empty()) return answered;
  }
  return history.name(history.node(call.invoke));
}

const Json& argument(const History& history, const Call& call) {
  return history.value(call.invoke);
}

const Json& answer(const History& history, const Call& call) {
  return call.done < 0 ? kNull : history.value(static_cast<std::size_t>(call.done));
}

std::string contradiction(const History& history, const Call& call) {
  const Json& said = answer(history, call);
  if (!call.ok() || repeats(f_of(history, call), argument(history, call), said)) return {};
  return fmt::format("{} was answered {} at {}, which is not about what was asked",
                     name_call(history, call), said.dump(), time_of(history, call.done));
}

std::int64_t time_ns(const History& history, std::size_t index) {
  constexpr std::int64_t kLatest = 1'000'000'000'000'000'000;
  return std::clamp<std::int64_t>(history.time(index), -1, kLatest);
}

std::string text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string seconds(std::int64_t time_ns) {
  if (time_ns < 0) return "a time not recorded";
  return fmt::format("{:.3f} s", static_cast<double>(time_ns) * 1e-9);
}

std::string time_of(const History& history, std::int64_t index) {
  return index < 0 ? "the end" : seconds(history.time(static_cast<std::size_t>(index)));
}

std::string name_call(const History& history, const Call& call) {
  std::string value = argument(history, call).is_null() ? "" : " " + text(argument(history, call));
  if (value.size() > 80) value = value.substr(0, 77) + "...";
  const auto& node = node_of(history, call);
  return fmt::format("{}{} by process {}{}", f_of(history, call), value,
                     history.process(call.invoke), node.empty() ? "" : " on " + node);
}

std::string tell_call(const History& history, const Call& call) {
  return fmt::format("{} ({} to {}, {})", name_call(history, call),
                     seconds(history.time(call.invoke)), time_of(history, call.done),
                     outcome_word(call));
}

std::string join_names(const std::vector<std::string>& names) {
  if (names.empty()) return "none";
  std::string joined = names[0];
  for (std::size_t i = 1; i < names.size(); ++i)
    joined += (i + 1 == names.size() ? " and " : ", ") + names[i];
  return joined;
}

std::optional<std::int64_t> integer(const Json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > kLargest) return std::nullopt;
  return value.get<std::int64_t>();
}

std::optional<std::int64_t> integer(const Json& object, std::string_view field) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(std::string(field));
  return found == object.end() ? std::nullopt : integer(*found);
}

}  // namespace gameday
