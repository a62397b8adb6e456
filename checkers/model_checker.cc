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
    return check_model(model_, {events, {}, limits});
  }

 private:
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
