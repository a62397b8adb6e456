// What Raft nodes say to each other, and its form on the wire and on disk.
//
// The binary form is little-endian with explicit lengths. decode() never trusts its input: whatever
// the bytes are, it answers a well-formed value or nothing. A decoded append carries consecutive
// indexes that follow its log_index, so that the core need not check them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::search::raft {

using NodeId = std::uint32_t;  // 0 means "none"
using Term = std::uint64_t;
using Index = std::uint64_t;  // the first entry of a log has index 1

// One entry of the replicated log. Jobs are numbered when a leader appends: the first job of an
// entry follows the last job of the entry before it, whoever wrote that one. So ids have no gap
// and no reuse by construction, and truncating the log gives its ids back by itself.
struct Entry {
  Term term = 0;
  Index index = 0;
  std::uint64_t first_job = 1;
  std::uint32_t jobs = 0;  // 0 for the no-op with which a leader opens its term
  std::string payload = {};

  bool operator==(const Entry&) const = default;
};

enum class MessageType : std::uint8_t {
  prevote_request,
  prevote_response,
  vote_request,
  vote_response,
  append_request,
  append_response,
  heartbeat_request,
  heartbeat_response,
  read_index_request,   // a follower asks the leader for a read index
  read_index_response,  // and is told it, or is refused
  timeout_now,          // leadership transfer (thesis 3.10): campaign at once
};
inline constexpr std::uint8_t message_types = 11;

std::string_view name(MessageType type);

// One struct for all types; a field that a type does not name below stays zero.
struct Message {
  MessageType type = MessageType::heartbeat_request;
  NodeId from = 0;
  NodeId to = 0;
  Term term = 0;        // the sender's term; a pre-vote carries the term it would campaign in
  Index log_index = 0;  // votes: last index. append request: index before the entries.
                        // append response: match, or the refused index. read response: read index.
  Term log_term = 0;    // the term of the entry at log_index (requests)
  Index commit = 0;     // append and heartbeat requests
  bool reject = false;
  bool force = false;       // vote request: by leadership transfer, so leases do not hold it up
  Index hint_index = 0;     // append refusal: where the logs may agree (fast backtracking, 5.3)
  Term hint_term = 0;       // and the refusing node's term there
  std::uint64_t context = 0;  // heartbeats: the read round. read index: the asker's read id
  std::vector<Entry> entries = {};

  bool operator==(const Message&) const = default;
};

std::string encode(const Entry& entry);
std::optional<Entry> decode_entry(std::string_view bytes);

std::string encode(const Message& message);
std::optional<Message> decode(std::string_view bytes);

// The bytes that an entry takes in encoded form.
std::size_t encoded_size(const Entry& entry);

}  // namespace gameday::search::raft
