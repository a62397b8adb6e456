#include "harness/core/system.h"

#include <charconv>

namespace gameday {
namespace {

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const auto to = std::min(text.find(by, from), text.size());
    if (to > from) parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

}  // namespace

Status check(const Setting& setting, const std::string& value) {
  if (setting.values == "text") return {};
  if (setting.values == "number") {
    double number = -1;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error == std::errc() && end == value.data() + value.size() && number >= 0 && number <= 1e6)
      return {};
    return fail("must be a number from 0 to 1000000, not \"{}\"", value);
  }
  const auto values = split(setting.values, '|');
  if (std::ranges::find(values, value) != values.end()) return {};
  return fail("must be one of {}, not \"{}\"", fmt::join(values, ", "), value);
}

Result<Settings> complete(const SystemKind& kind, const std::vector<std::string>& given) {
  Settings settings;
  for (const Setting& setting : kind.settings) settings.emplace(setting.name, setting.initial);
  for (const std::string& text : given) {
    const auto equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const auto setting = std::ranges::find(kind.settings, name, &Setting::name);
    if (setting == kind.settings.end()) {
      std::vector<std::string_view> names;
      for (const Setting& known : kind.settings) names.push_back(known.name);
      return fail("--set: {} has no setting \"{}\"; {}", kind.name, name,
                  names.empty() ? std::string("it has none")
                                : fmt::format("it has {}", fmt::join(names, ", ")));
    }
    const std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (equals == std::string::npos) return fail("--set {}: say {}=VALUE", name, name);
    if (const auto good = check(*setting, value); !good)
      return fail("--set {}: {}", name, good.error().message);
    settings[name] = value;
  }
  return settings;
}

}  // namespace gameday
