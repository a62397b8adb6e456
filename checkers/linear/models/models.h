// The objects; models.cc has a line for each.
#pragma once

#include <string_view>

#include "checkers/linear/object.h"

namespace gameday::linear::objects {

extern const Object kRegister, kMutex, kOwnerMutex, kReentrantMutex, kSemaphore, kCounter, kSet,
    kFifoQueue, kUnorderedQueue, kStack, kPriorityQueue, kLog, kKv;

// By groups of registers that operations have in common.
CheckResult check_multi_register(const ModelInput& input);

const Object* find(std::string_view model);  // by the name of its model; nullptr: it has no single one

}  // namespace gameday::linear::objects
