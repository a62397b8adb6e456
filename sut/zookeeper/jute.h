// ZooKeeper's client protocol: frames of jute (big-endian, length-prefixed) over TCP, in a session.
// zookeeper.jute of ZooKeeper 3.8 has the records, ZooDefs.OpCode and KeeperException the numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/system.h"
#include "sut/connection.h"

namespace gameday::zookeeper {

inline constexpr std::uint16_t kClientPort = 2181;

enum class Call : std::int32_t {
  create = 1,
  remove = 2,
  get_data = 4,
  set_data = 5,
  get_children = 8,
  sync = 9,
  check = 13,
  multi = 14,
  multi_read = 22
};

inline constexpr std::int32_t kApiError = -100;
inline constexpr std::int32_t kNoNode = -101;
inline constexpr std::int32_t kNodeExists = -110;
inline constexpr std::int32_t kAnyVersion = -1;

class Writer {
 public:
  Writer& i8(std::int8_t value) { return bytes_ += static_cast<char>(value), *this; }
  Writer& i32(std::int32_t value);
  Writer& i64(std::int64_t value);
  Writer& text(std::string_view value);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Once something does not fit, ok() stays false and all else is zero or empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  std::int32_t i32();
  std::string_view text();
  void skip(std::size_t count) { (void)take(count); }

 private:
  std::string_view take(std::size_t count);

  std::string_view bytes_;
  bool ok_ = true;
};

struct Request {
  Call call;
  std::string body;
};

// A write that changes nothing, of a node that always is.
const Request& touch();

struct Reply {
  std::string error;      // not empty: there is no answer
  bool sent = false;      // the server may have got the request
  std::int32_t code = 0;  // KeeperException.Code
  std::string body;
  bool ok() const { return error.empty() && code == 0; }
};

// One session of one server, opened when it is needed, and again after it broke.
class Session {
 public:
  explicit Session(std::string address) : address_(std::move(address)) {}
  // All in one go, answered in order; the answer to the last, or the first error.
  Reply call(const std::vector<Request>& requests, Deadline deadline);

 private:
  Status open(Deadline deadline);
  Result<std::string> frame(Deadline deadline);

  std::string address_;
  sut::Connection connection_;
  std::chrono::steady_clock::time_point used_;
  std::int32_t xid_ = 0;
};

// A word of four letters, such as "srvr".
Result<std::string> ask(const std::string& address, std::string_view word, Deadline deadline);

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options);

}  // namespace gameday::zookeeper
