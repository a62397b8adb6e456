// A register with compare-and-set; the initial value is null.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkers/linear/model.h"
#include "harness/core/json.h"

namespace gameday::linear {

class Register final : public Model {
 public:
  enum Kind : std::int32_t { kRead, kWrite, kCas };  // read a; write a; cas from a to b

  Register() { intern(Json()); }
  std::int32_t intern(const Json& value);

  State initial() const override { return 0; }
  State step(State state, const Operation& op) const override;
  bool read_only(const Operation& op) const override { return op.kind == kRead; }
  bool depends(const Operation& op, const Operation& source) const override;
  std::string describe(State state) const override {
    return values_.at(static_cast<std::size_t>(state));
  }

  // The value that an operation leaves, or the value that it requires to be there.
  static std::optional<State> produces(const Operation& op);
  static std::optional<State> requires_value(const Operation& op);

 private:
  std::vector<std::string> values_;
  std::unordered_map<std::string, std::int32_t> ids_;
};

}  // namespace gameday::linear
