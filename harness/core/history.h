// A history: every operation's invocation and completion, in the order the recorder saw them.
// Columns, not objects (as in Jepsen's history library): checkers walk one or two columns over
// hundreds of thousands of ops.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/op.h"

namespace gameday {

class History {
 public:
  using Name = std::uint16_t;  // an interned f or node; 0 is the empty string

  History();

  // Adds an event at the end; its index becomes size(). A completion is paired with the open
  // invocation of its process. Fails if a process invokes while it has an open invocation, or
  // completes without one (clients only; nemesis ops are never paired).
  Status append(const Op& op);

  std::size_t size() const { return types_.size(); }
  bool empty() const { return types_.empty(); }

  Op op(std::size_t i) const;  // the row, put together; for reports and messages
  std::int64_t time(std::size_t i) const { return times_[i]; }
  Process process(std::size_t i) const { return processes_[i]; }
  OpType type(std::size_t i) const { return types_[i]; }
  Name f(std::size_t i) const { return fs_[i]; }
  Name node(std::size_t i) const { return nodes_[i]; }
  const Json& value(std::size_t i) const { return values_[i]; }
  const std::string& error(std::size_t i) const;

  // The other half of the op: the completion of an invocation, the invocation of a completion.
  // -1 where there is none (an invocation that never completed, a nemesis op).
  std::int64_t pair(std::size_t i) const { return pairs_[i]; }
  bool is_client(std::size_t i) const { return processes_[i] >= 0; }

  // Interning: the id of a name that occurs, or kNoName.
  static constexpr Name kNoName = 0xffff;
  Name find_name(std::string_view text) const;
  const std::string& name(Name id) const { return names_[id]; }
  bool has_f(std::string_view f) const;  // some client invoked f

 private:
  Name intern(const std::string& text);

  std::vector<std::int64_t> times_;
  std::vector<Process> processes_;
  std::vector<OpType> types_;
  std::vector<Name> fs_, nodes_;
  std::vector<Json> values_;
  std::vector<std::int64_t> pairs_;
  std::unordered_map<std::size_t, std::string> errors_;  // few ops have one
  std::vector<std::string> names_;
  std::unordered_map<std::string, Name> name_ids_;
  std::unordered_map<Name, bool> invoked_fs_;
  std::unordered_map<Process, std::size_t> open_;  // process -> its open invocation
};

// What could be read of history.jsonl, up to the first line that is not an op. Empty lines are
// skipped.
struct ReadHistory {
  History history;
  std::string damage;      // what ended the reading: "line 7: ..."; empty: the end of the file
  bool half_line = false;  // the damage is no more than a last line that a killed recorder left
};
ReadHistory read_what_is_there(std::istream& in);
ReadHistory read_what_is_there(const std::filesystem::path& file);

// The same, where damage is an error; half a last line is none, and is dropped.
Result<History> read_history(std::istream& in);
Result<History> read_history(const std::filesystem::path& file);

}  // namespace gameday
