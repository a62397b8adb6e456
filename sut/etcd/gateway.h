// etcd's JSON gateway (etcd 3.4: https://etcd.io/docs/v3.4/dev-guide/api_grpc_gateway/): gRPC
// messages as JSON over HTTP, bytes in base64, 64-bit numbers as strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/core/system.h"
#include "sut/http/http_client.h"

namespace gameday::etcd {

inline constexpr std::uint16_t kClientPort = 2379;
inline constexpr std::uint16_t kPeerPort = 2380;

std::string encode(std::string_view bytes);  // base64
std::string decode(std::string_view text);

struct Answer {
  OpType type = OpType::info;  // fail: it certainly had no effect
  Json body;
  std::string error;
};

class Gateway {
 public:
  explicit Gateway(const std::string& address) : http_(address, kClientPort) {}
  // `effect`: it changes something, so that an answer that did not come, or a server's error, is
  // info.
  Answer call(const std::string& path, const Json& request, bool effect, Deadline deadline);

 private:
  http::Client http_;
};

// A 64-bit number of an answer: a string, or not there at all (0).
std::int64_t number(const Json& object, const char* name);

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options);

}  // namespace gameday::etcd
