#include <fmt/format.h>

#include <chrono>
#include <new>

#include "checkers/model.h"

namespace gameday {

std::span<const Model* const> models() {
  static const std::vector<const Model*> all = [] {
    std::vector<const Model*> list;
    for (const auto family : {linear_models(), transaction_models(), workload_models()})
      for (const Model& model : family) list.push_back(&model);
    return list;
  }();
  return all;
}

const Model* find_model(std::string_view name) {
  for (const Model* model : models())
    if (model->name == name) return model;
  const std::string padded = fmt::format(" {} ", name);
  for (const Model* model : models())
    if (fmt::format(" {} ", model->aliases).find(padded) != std::string::npos) return model;
  return nullptr;
}

CheckResult check_model(const Model& model, const ModelInput& input) {
  const auto start = std::chrono::steady_clock::now();
  CheckResult result;
  try {
    result = model.check(input);
  } catch (const std::bad_alloc&) {
    result = {};
    result.summary = "the check needs more memory than it may use (--memory)";
  } catch (const std::exception& e) {
    result = {};
    result.summary = fmt::format("the check failed: {}", e.what());
  }
  result.checker = model.name;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace gameday
