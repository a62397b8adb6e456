// A register with compare-and-set, values by number: the state is the number of its value.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "checkers/linear/decide/decide.h"
#include "checkers/linear/model.h"

namespace gameday::linear {

class CasRegister final : public Model {
 public:
  // `name` tells people what a number stands for.
  CasRegister(std::int32_t initial, std::function<std::string(std::int32_t)> name)
      : initial_(initial + 1), name_(std::move(name)) {}

  // Numbers from kNil on, moved up so that no state is kIllegal.
  State initial() const override { return initial_; }
  State step(State state, const Operation& op) const override {
    if (op.kind == kind::write) return op.a + 1;
    if (op.kind == kind::read) return op.b + 1 == state ? state : kIllegal;
    return op.a + 1 == state ? op.b + 1 : kIllegal;
  }
  bool read_only(const Operation& op) const override {
    return op.kind == kind::read || (op.kind == kind::cas && op.a == op.b);
  }
  bool overwrites(const Operation& op) const override { return op.kind == kind::write; }
  bool depends(const Operation& op, const Operation& source) const override {
    const auto value = needs(op);
    return value && produces(source) == value;
  }
  bool hides(const Operation& between, const Operation& op) const override {
    const auto value = needs(op), left = produces(between), found = needs(between);
    return value && ((left && *left != *value) || (found && *found != *value));
  }
  std::optional<std::size_t> impossible(std::span<const Operation> ops) const override {
    const auto found = [&](const Operation& op) {
      const auto value = needs(op);
      return value == initial_ ? std::nullopt : value;
    };
    return of_nowhere(ops, found, produces);
  }
  std::string describe(State state) const override { return name_(state - 1); }

  // The state that an operation leaves, or has to find.
  static std::optional<State> produces(const Operation& op) {
    if (op.kind == kind::read) return std::nullopt;
    return (op.kind == kind::write ? op.a : op.b) + 1;
  }
  static std::optional<State> needs(const Operation& op) {
    if (op.kind == kind::write) return std::nullopt;
    return (op.kind == kind::read ? op.b : op.a) + 1;
  }

 private:
  State initial_;
  std::function<std::string(std::int32_t)> name_;
};

// A compare-and-set that found another value than the one it was to replace.
inline constexpr std::int32_t kRefusedCas = 3;

// The same with compare-and-sets that were refused; they need any value but one, which the search's
// ways for registers do not know.
class ExactRegister final : public Model {
 public:
  explicit ExactRegister(CasRegister model) : model_(std::move(model)) {}

  State initial() const override { return model_.initial(); }
  State step(State state, const Operation& op) const override {
    if (op.kind == kRefusedCas) return op.a + 1 != state ? state : kIllegal;
    return model_.step(state, op);
  }
  bool read_only(const Operation& op) const override {
    return op.kind == kRefusedCas || model_.read_only(op);
  }
  bool overwrites(const Operation& op) const override { return model_.overwrites(op); }
  // Whatever left another value may be what it found.
  bool depends(const Operation& op, const Operation& source) const override {
    if (source.kind == kRefusedCas) return false;
    if (op.kind != kRefusedCas) return model_.depends(op, source);
    const auto made = CasRegister::produces(source);
    return made && *made != op.a + 1;
  }
  bool hides(const Operation& between, const Operation& op) const override {
    return op.kind != kRefusedCas && between.kind != kRefusedCas && model_.hides(between, op);
  }
  std::string describe(State state) const override { return model_.describe(state); }

 private:
  CasRegister model_;
};

}  // namespace gameday::linear
