// Histories as operations of one object: which functions a model knows by which names, and what of
// their values is given, answered or a list.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkers/events/events.h"
#include "checkers/linear/decide/decide.h"
#include "checkers/linear/model.h"
#include "harness/core/error.h"

namespace gameday::linear {

enum class Takes : std::uint8_t {
  nothing,      // a and b are kNil
  argument,     // a is the invocation's value: write, enqueue, push
  answer,       // b is the completion's value, kUnknown if there was none: read, dequeue
  list,         // b is the completion's value as a list
  any_list,     // the same of a set: in ascending order of numbers
  pair,         // the value is [a b]: cas
  process,      // a is the number of the process: owner-aware locks
  position,     // a is the invocation's value, b the completion's if it is an integer: append
  entry,        // of a map: key and value [k v] (or {:key k :value v}): a is v; the key is separate
};

struct Function {
  std::string_view names;  // between spaces
  std::int32_t kind;
  Takes takes;
  bool reads = false;              // an unknown answer says nothing: left out
  bool nil_is_unknown = false;     // a nil that was answered says nothing either, as in Knossos
};

// The numbers that operations have instead of values.
class Names {
 public:
  explicit Names(const Values& all) : values(all), dense(all) {}
  std::string tell(std::int32_t id) const;     // EDN, bounded
  std::string tell_list(std::int32_t list) const;
  // The number of a value in EDN, kNil for "", nil and what is not in the history is added.
  std::int32_t initial(std::string_view edn);
  std::vector<std::int32_t> initial_list(std::string_view edn);  // of its items
  // The integer that a number stands for; fails the check where it stands for none.
  std::int64_t number(std::int32_t id) const;

  const Values& values;
  Dense dense;
  Lists lists;

 private:
  std::int32_t foreign(const Values& of, Value v);
  std::vector<Value> others_;           // of --initial, where the history does not have them
  std::shared_ptr<Values> owner_;
};

struct Calls {
  std::vector<Operation> ops;
  std::vector<std::uint32_t> pairs;  // ops[i] is events.pairs()[pairs[i]]
};

// Fails with the row that no function of the model fits.
Result<Calls> encode(const Events& events, std::span<const Function> functions, Names& names);

}  // namespace gameday::linear
