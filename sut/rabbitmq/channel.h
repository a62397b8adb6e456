// One AMQP 0-9-1 channel on a connection of its own, on librabbitmq, with a deadline on everything.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "harness/core/error.h"
#include "harness/core/system.h"

namespace gameday::rabbitmq {

inline constexpr std::uint16_t kPort = 5672;
inline constexpr const char* kQueue = "gameday";
inline constexpr const char* kMark = "mark";  // a message that is no element

class Channel {
 public:
  explicit Channel(std::string address) : address_(std::move(address)) {}

  // All of these connect if need be. After an Error the connection is closed, which gives back
  // what was delivered and not acknowledged.
  Status declare(const std::string& queue, bool quorum, bool passive, Deadline deadline);
  // ok: confirmed.
  Completion publish(const std::string& body, Deadline deadline);
  // Takes one message, as the broker sees it once take() was acknowledged; nullopt: there is none.
  Result<std::optional<std::string>> take(Deadline deadline);

 private:
  Status open(Deadline deadline);
  Status broken(const char* what);
  Result<amqp_frame_t> frame(Deadline deadline);

  struct Destroy {
    void operator()(amqp_connection_state_t c) const { amqp_destroy_connection(c); }
  };
  std::string address_;
  std::unique_ptr<amqp_connection_state_t_, Destroy> connection_;
};

std::unique_ptr<Client> make_client(const Node& node);

}  // namespace gameday::rabbitmq
