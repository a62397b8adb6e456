#include "sut/search/raft/message.h"

#include <utility>

#include "sut/search/bytes.h"

namespace gameday::search::raft {
namespace {

constexpr std::size_t entry_header_size = 8 + 8 + 8 + 4 + 4;

void put_entry(std::string& out, const Entry& entry) {
  put(out, entry.term);
  put(out, entry.index);
  put(out, entry.first_job);
  put(out, entry.jobs);
  put(out, static_cast<std::uint32_t>(entry.payload.size()));
  out += entry.payload;
}

Entry take_entry(ByteReader& in) {
  Entry entry;
  entry.term = in.take<Term>();
  entry.index = in.take<Index>();
  entry.first_job = in.take<std::uint64_t>();
  entry.jobs = in.take<std::uint32_t>();
  const auto size = in.take<std::uint32_t>();
  entry.payload = in.take_bytes(size);
  return entry;
}

// Entries must follow log_index without a gap: the core relies on it.
bool entries_in_order(const Message& message) {
  Index index = message.log_index;
  for (const Entry& entry : message.entries) {
    if (entry.index == 0 || entry.index != index + 1) return false;
    index = entry.index;
  }
  return true;
}

}  // namespace

std::string_view name(MessageType type) {
  switch (type) {
    case MessageType::prevote_request: return "prevote_request";
    case MessageType::prevote_response: return "prevote_response";
    case MessageType::vote_request: return "vote_request";
    case MessageType::vote_response: return "vote_response";
    case MessageType::append_request: return "append_request";
    case MessageType::append_response: return "append_response";
    case MessageType::heartbeat_request: return "heartbeat_request";
    case MessageType::heartbeat_response: return "heartbeat_response";
    case MessageType::read_index_request: return "read_index_request";
    case MessageType::read_index_response: return "read_index_response";
    case MessageType::timeout_now: return "timeout_now";
  }
  return "unknown";
}

std::size_t encoded_size(const Entry& entry) { return entry_header_size + entry.payload.size(); }

std::string encode(const Entry& entry) {
  std::string out;
  out.reserve(encoded_size(entry));
  put_entry(out, entry);
  return out;
}

std::optional<Entry> decode_entry(std::string_view bytes) {
  ByteReader in(bytes);
  Entry entry = take_entry(in);
  if (!in.done()) return std::nullopt;
  return entry;
}

std::string encode(const Message& message) {
  std::string out;
  put(out, static_cast<std::uint8_t>(message.type));
  put(out, message.from);
  put(out, message.to);
  put(out, message.term);
  put(out, message.log_index);
  put(out, message.log_term);
  put(out, message.commit);
  put(out, static_cast<std::uint8_t>(message.reject));
  put(out, static_cast<std::uint8_t>(message.force));
  put(out, message.hint_index);
  put(out, message.hint_term);
  put(out, message.context);
  put(out, static_cast<std::uint32_t>(message.entries.size()));
  for (const Entry& entry : message.entries) put_entry(out, entry);
  return out;
}

std::optional<Message> decode(std::string_view bytes) {
  ByteReader in(bytes);
  Message message;
  const auto type = in.take<std::uint8_t>();
  if (!in.ok() || type >= message_types) return std::nullopt;
  message.type = static_cast<MessageType>(type);
  message.from = in.take<NodeId>();
  message.to = in.take<NodeId>();
  message.term = in.take<Term>();
  message.log_index = in.take<Index>();
  message.log_term = in.take<Term>();
  message.commit = in.take<Index>();
  message.reject = in.take_bool();
  message.force = in.take_bool();
  message.hint_index = in.take<Index>();
  message.hint_term = in.take<Term>();
  message.context = in.take<std::uint64_t>();
  const auto count = in.take<std::uint32_t>();
  // A count that cannot fit must not make us reserve memory for it.
  if (!in.ok() || count > in.left() / entry_header_size) return std::nullopt;
  message.entries.reserve(count);
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) message.entries.push_back(take_entry(in));
  if (!in.done() || !entries_in_order(message)) return std::nullopt;
  if (!message.entries.empty() && message.type != MessageType::append_request) return std::nullopt;
  return message;
}

}  // namespace gameday::search::raft
