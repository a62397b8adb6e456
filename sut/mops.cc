#include "sut/mops.h"

namespace gameday::sut {

std::set<std::string> keys_of(const Json& mops) {
  std::set<std::string> keys;
  for (const auto& mop : mops) keys.insert(mop.at(1).dump());
  return keys;
}

Applied apply(const Json& mops, std::map<std::string, Json> state) {
  Applied applied{mops, {}};
  for (auto& mop : applied.mops) {
    const auto f = mop.at(0).get<std::string>();
    const std::string key = mop.at(1).dump();
    if (f == "r") {
      mop[2] = state[key];
      continue;
    }
    Json& value = state[key];
    if (f == "append") {
      if (value.is_null()) value = Json::array();
      value.push_back(mop.at(2));
    } else {
      value = mop.at(2);
    }
    applied.changed[key] = value;
  }
  return applied;
}

}  // namespace gameday::sut
