#include "checkers/model_checker.h"

#include <deque>

#include "checkers/model.h"

namespace gameday {
namespace {

class ModelChecker final : public Checker {
 public:
  explicit ModelChecker(const Model& model) : model_(model) {}
  std::string_view name() const override { return model_.name; }
  std::string_view summary() const override { return model_.summary; }
  bool fits(const CheckInput&) const override { return true; }
  bool early() const override { return model_.early; }
  CheckResult check(const CheckInput& input) const override {
    const Events events = to_events(input.history);
    Limits limits;
    limits.memory_bytes = input.budget.memory_bytes;
    limits.deadline = std::chrono::steady_clock::now() + input.budget.time;
    return check_model(model_, {events, options(input.test), limits});
  }

 private:
  // As the run asked for: test.json, "judges".
  ModelOptions options(const Json& test) const {
    ModelOptions options;
    if (!test.is_object() || !test.contains("judges")) return options;
    for (const auto& judge : test["judges"]) {
      if (!judge.is_object() || judge.value("model", std::string()) != model_.name) continue;
      if (judge.contains("consistency"))
        options.consistency = judge["consistency"].get<std::vector<std::string>>();
    }
    return options;
  }

  const Model& model_;
};

}  // namespace

const Checker* model_checker(std::string_view name) {
  static const std::deque<ModelChecker> all = [] {
    std::deque<ModelChecker> checkers;
    for (const Model* model : models()) checkers.emplace_back(*model);
    return checkers;
  }();
  const Model* wanted = find_model(name);
  for (const ModelChecker& checker : all)
    if (wanted != nullptr && checker.name() == wanted->name) return &checker;
  return nullptr;
}

}  // namespace gameday
