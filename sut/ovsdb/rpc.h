// The Open vSwitch Database Management Protocol (RFC 7047): JSON-RPC 1.0 over TCP, messages back to
// back.
#pragma once

#include "sut/connection.h"

namespace gameday::ovsdb {

inline constexpr std::uint16_t kPort = 6641;
inline constexpr std::uint16_t kRaftPort = 6644;
inline constexpr const char* kDatabase = "KV";
inline constexpr const char* kTable = "kv";

struct Answer {
  OpType type = OpType::info;  // fail: it certainly had no effect
  Json results;                // one for each operation
  std::string error;
};

class Connection {
 public:
  explicit Connection(std::string address) : address_(std::move(address)) {}
  // One transaction. `effect`: it changes something, so that an answer that did not come is info.
  Answer transact(const char* database, const Json& operations, bool effect, Deadline deadline);

 private:
  Result<Json> receive(Deadline deadline);

  std::string address_;
  sut::Connection tcp_;
  std::string buffer_;
  std::int64_t id_ = 0;
};

}  // namespace gameday::ovsdb
