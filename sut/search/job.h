// A job: one write of a user, as it goes through the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/json.h"

namespace gameday::search {

using JobId = std::uint64_t;  // the first job has id 1; 0 means "none"

enum class Action : std::uint8_t { put, partial, remove, clear, move, copy };
inline constexpr std::uint8_t actions = 6;

// A write takes place only if the object's attribute equals a value; decided when it is applied.
// A missing object or attribute equals null.
struct Condition {
  std::string attribute;
  std::string equals;  // JSON text

  bool operator==(const Condition&) const = default;
};

struct Job {
  Action action = Action::put;
  std::string index;
  std::string object;  // objectID; the destination index of move and copy; unused by clear
  std::string body;    // put, partial: the text of a JSON object
  std::string key;     // idempotency key; empty: none
  std::optional<Condition> condition;  // of a put
  // Does nothing if it is placed in the log after this moment (ms since the epoch); 0: never too
  // late. Decided by what the leader's clock said then, which goes through the log with the job:
  // nodes that asked their own clocks when they apply would not agree.
  std::uint64_t expires_ms = 0;
  std::uint64_t placed_ms = 0;  // of the payload that it is in; not part of its own bytes

  bool operator==(const Job&) const = default;
};

// A job's bytes are self-delimiting.
void encode(const Job& job, std::string& out);

// A payload of the log: when the leader placed it there, then jobs in a row. The empty payload, of
// an entry that opens a term, has none.
std::string begin_payload(std::uint64_t placed_ms);
std::optional<std::vector<Job>> decode_jobs(std::string_view payload);

std::uint64_t wall_clock_ms();

// The key of one encoded job, without decoding the rest; empty where there is none.
std::string_view key_of(std::string_view encoded_job);

// Of the whole content, not of the job id: equal on all nodes for the same write.
std::uint64_t hash(const Job& job);

// FNV-1a with 64 bits (Fowler, Noll, Vo), over length-delimited parts. Not against adversaries:
// it tells states apart that differ by accident.
class Hasher {
 public:
  explicit Hasher(std::uint64_t start = 14695981039346656037ULL) : value_(start) {}
  Hasher& add(std::uint64_t number);
  Hasher& add(std::string_view text);
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_;
};

// Parses what came from outside: nullopt for malformed JSON, and for JSON that is nested so deeply
// that the recursion of the library could exhaust the stack.
std::optional<Json> parse_bounded(std::string_view text);

// What a client may send; an error says what is wrong. Bodies must be JSON objects of bounded
// depth, names short and valid UTF-8, and the operations of a partial update known.
Status validate(const Job& job);

}  // namespace gameday::search
