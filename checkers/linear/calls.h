// Histories as operations of one object: which functions a model knows by which names, and what of
// their values is given, answered or a list.
#pragma once

#include <cstdint>
#include <optional>
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
  txn,          // b is a list of micro-operations, three numbers each: kind, key, value
  position,     // a is the invocation's value, b the completion's if it is an integer: append
};

// Kinds of functions whose values are transactions; as operations all are of kind 0.
inline constexpr std::int32_t kTxn = 0, kTxnReads = 1, kTxnWrites = 2;

struct Function {
  std::string_view names;  // between spaces
  std::int32_t kind;
  Takes takes;
  bool reads = false;              // an unknown answer says nothing: left out
  bool nil_is_unknown = false;     // a nil that was answered says nothing either, as in Knossos
  // The kind of a call that failed, where answers are exact; kNoKind: it says nothing.
  static constexpr std::int32_t kNoKind = -1;
  std::int32_t refused = kNoKind;
};

// The numbers that operations have instead of values.
class Names {
 public:
  explicit Names(const Values& all) : values(all), dense(all) {}
  std::string tell(std::int32_t id) const;     // EDN, bounded
  std::string tell_list(std::int32_t list) const;
  // The number of a value in EDN, kNil for "", nil and what is not in the history is added.
  std::int32_t initial(std::string_view edn);
  std::vector<std::pair<std::int32_t, std::int32_t>> initial_map(std::string_view edn);
  std::vector<std::int32_t> initial_list(std::string_view edn);  // of its items
  // The integer that a number stands for; fails the check where it stands for none.
  std::int64_t number(std::int32_t id) const;

  const Values& values;
  Dense dense;
  Lists lists;

 private:
  Value parse_initial(std::string_view edn);
  std::int32_t foreign(Value v);  // of --initial
  std::vector<Value> others_;           // of --initial, where the history does not have them
  std::shared_ptr<Values> owner_;
  Value initial_;                       // as --initial has it, in owner_
};

struct Calls {
  std::vector<Operation> ops;
  std::vector<std::uint32_t> pairs;  // ops[i] is events.pairs()[pairs[i]]
};

// What is to be encoded of a call. Copied, so that calls of one key stand together although they are
// far apart in the history.
struct RawCall {
  Value given, answered;              // of the invocation, of the completion if there is one
  std::uint32_t call = 0, ret = 0;    // positions; ret only of what completed
  std::uint32_t pair = 0;             // number in events.pairs()
  Events::Name f = 0;
  OpType outcome = OpType::info;
};

// Fails with the row that no function of the model fits. `part`: of these calls alone.
Result<Calls> encode(const Events& events, std::span<const Function> functions, Names& names,
                     std::optional<std::span<const RawCall>> part = std::nullopt);

}  // namespace gameday::linear
