// For a history that a model of transactions cannot read: which one could.
#pragma once

#include <string>

#include "checkers/events/events.h"

namespace gameday::txn {

// "; --model NAME would fit", by the first operations that tell; empty: none does.
std::string other_model(const Events& events);

}  // namespace gameday::txn
