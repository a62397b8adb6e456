#include "checkers/linear/models/register.h"

#include <algorithm>

#include "checkers/linear/models/models.h"

namespace gameday::linear {
namespace {

constexpr Function kFunctions[] = {
    {"read r", kind::read, Takes::answer, true, true},
    {"write w", kind::write, Takes::argument},
    {"cas", kind::cas, Takes::pair, false, false, kRefusedCas},
};

bool any_refused(std::span<const Operation> ops) {
  return std::any_of(ops.begin(), ops.end(),
                     [](const Operation& op) { return op.kind == kRefusedCas; });
}

std::unique_ptr<Model> make(Names& names, const ModelOptions& options, std::span<const Operation> ops) {
  CasRegister model(names.initial(options.initial), [&names](std::int32_t id) { return names.tell(id); });
  if (any_refused(ops)) return std::make_unique<ExactRegister>(std::move(model));
  return std::make_unique<CasRegister>(std::move(model));
}

Decision decide(std::span<const Operation> ops, const Names&) {
  if (any_refused(ops)) return {};
  return decide_register(ops, kNil);
}

}  // namespace

const Object objects::kRegister{"the register", kFunctions, make, decide};

}  // namespace gameday::linear
