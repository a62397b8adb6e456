// A history as checkers of anybody's histories see it: columns of what happened, in the order in
// which it was recorded. What Jepsen's history library calls a history (jepsen.history, 2023).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkers/events/column.h"
#include "checkers/events/value.h"
#include "harness/core/error.h"
#include "harness/core/history.h"
#include "harness/core/op.h"

namespace gameday {

// A client's operation: its invocation and, where there is one, its completion.
struct Pair {
  std::uint32_t invoke = 0;
  std::int32_t done = -1;         // row of the completion; -1: it never completed
  OpType outcome = OpType::info;  // ok, fail or info; never completed counts as info, as in Jepsen
};

class Events {
 public:
  using Name = std::uint16_t;  // an interned f; 0 is "there is none"
  static constexpr Name kNoName = 0xffff;

  Events();
  // A part of a history that shares its values with the other parts (append_all).
  explicit Events(std::shared_ptr<Values> values);

  struct Row {
    OpType type = OpType::invoke;
    std::int32_t process = 0;  // below 0: no client, see process_name()
    Name f = 0;
    Value value;
    std::int64_t time = -1;    // ns; -1: not known
    std::int64_t index = -1;   // as the file has it; -1: it has none
    Value extra;               // map of the other keys (:error, :node, ...); nil: none
  };
  void append(const Row& row);
  void reserve(std::size_t rows);
  // Puts another part of the same history, with the same values and names, behind this one.
  void append_all(const Events& part);
  // Forgets the rows, not the names: the next part of the same history.
  void clear_rows();

  // Pairs completions with invocations. Jepsen's rules: a client that completes must have invoked,
  // one that invokes must not have an open call; an invocation without a completion is info.
  // Fails with the op. Call it once, after the last append; a nemesis' rows are never paired.
  Status pair_up();

  std::size_t size() const { return types_.size(); }
  OpType type(std::size_t i) const { return types_[i]; }
  std::int32_t process(std::size_t i) const { return processes_[i]; }
  bool is_client(std::size_t i) const { return processes_[i] >= 0; }
  Name f(std::size_t i) const { return fs_[i]; }
  Value value(std::size_t i) const { return values_column_[i]; }
  std::int64_t time(std::size_t i) const { return times_.empty() ? -1 : times_[i]; }
  bool has_times() const { return !times_.empty(); }
  // What people call this row: its :index where the file has it, else its position.
  std::int64_t index(std::size_t i) const {
    return indices_.empty() || indices_[i] < 0 ? static_cast<std::int64_t>(i) : indices_[i];
  }
  Value extra(std::size_t i) const { return extras_.empty() ? Value() : extras_[i]; }
  // The other half of the op: completion or invocation; -1: none.
  std::int32_t other(std::size_t i) const { return others_[i]; }
  // Answers say what the system had, as in Porcupine's logs of etcd: an ok read of nil found nothing,
  // and a compare-and-set that failed found another value. In Jepsen's histories a nil says nothing,
  // and what failed did not happen.
  bool exact_answers() const { return exact_answers_; }
  void set_exact_answers(bool exact) { exact_answers_ = exact; }

  // Clients' calls in the order of their invocations.
  const Column<Pair>& pairs() const { return pairs_; }
  // The value to judge a call by: of the completion if it is ok (or has one), else the invocation's.
  Value result(const Pair& p) const {
    return p.done >= 0 ? value(static_cast<std::size_t>(p.done)) : Value();
  }

  const Values& values() const { return *values_; }
  Values& mutable_values() { return *values_; }
  const std::shared_ptr<Values>& shared_values() const { return values_; }

  // Names of functions, without the colon of a keyword.
  Name name(std::string_view f);             // interns
  Name find_name(std::string_view f) const;  // kNoName: nobody has it
  const std::string& name_text(Name f) const { return names_[f]; }
  std::size_t name_count() const { return names_.size(); }
  // Clients are their number, others their keyword ("nemesis"); interned as -1, -2, ...
  std::int32_t named_process(std::string_view name);
  std::string process_name(std::int32_t process) const;

  // An empty history with the same values and names: for a part of this one.
  Events part() const;

  // A row for people: {:process 3, :type :ok, :f :read, :value 4, :index 17}.
  std::string describe(std::size_t i) const;

  std::size_t bytes() const;

 private:
  friend class Pairing;
  friend class Unnamed;
  friend class Assembly;

  std::shared_ptr<Values> values_;
  Column<OpType> types_;
  Column<std::int32_t> processes_;
  Column<Name> fs_;
  Column<Value> values_column_;
  Column<std::int64_t> times_, indices_;  // empty: no row has one
  Column<Value> extras_;                  // empty: no row has any
  Column<std::int32_t> others_;
  Column<Pair> pairs_;
  std::vector<std::string> names_, process_names_;
  bool exact_answers_ = false;
};

// The recorder's history in the form that this library judges, without its probes (status), which are
// no operations of a workload; and back, so that every checker can judge every file.
Events to_events(const History& history);
Result<History> to_history(const Events& events);

}  // namespace gameday
