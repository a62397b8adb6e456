#include "checkers/linear/models/register.h"

#include "checkers/linear/models/models.h"

namespace gameday::linear {
namespace {

constexpr Function kFunctions[] = {
    {"read r", kind::read, Takes::answer, true, true},
    {"write w", kind::write, Takes::argument},
    {"cas", kind::cas, Takes::pair},
};

std::unique_ptr<Model> make(Names& names, const ModelOptions& options, std::span<const Operation>) {
  return std::make_unique<CasRegister>(names.initial(options.initial),
                                       [&names](std::int32_t id) { return names.tell(id); });
}

Decision decide(std::span<const Operation> ops, const Names&) { return decide_register(ops, kNil); }

}  // namespace

const Object objects::kRegister{"the register", kFunctions, make, decide};

}  // namespace gameday::linear
