#include <amqp_tcp_socket.h>

#include <algorithm>
#include <thread>

#include "sut/rabbitmq/channel.h"

namespace gameday::rabbitmq {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr amqp_channel_t kChannel = 1;

timeval left(Deadline deadline) {
  const auto us =
      std::max(std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now()), 1us);
  return {us.count() / 1'000'000, us.count() % 1'000'000};
}

amqp_bytes_t bytes(const std::string& text) {
  return {text.size(), const_cast<char*>(text.data())};
}

class QueueClient final : public Client {
 public:
  explicit QueueClient(const std::string& address) : channel_(address) {}

  Completion invoke(const Op& op, Deadline deadline) override {
    if (op.f == "enqueue") return channel_.publish(op.value.dump(), deadline);
    if (op.f == "dequeue") return dequeue(deadline);
    if (op.f == "drain") return drain(deadline);
    return {OpType::fail, nullptr, "the RabbitMQ client does not know " + op.f};
  }

 private:
  // Without a message in hand nothing was taken: what was on its way is given back.
  Completion dequeue(Deadline deadline) {
    while (true) {
      const auto taken = channel_.take(deadline);
      if (!taken) return {OpType::fail, nullptr, taken.error().message};
      if (!*taken) return {OpType::fail, nullptr, "empty"};
      if (**taken != kMark) return {OpType::ok, Json::parse(**taken, nullptr, false), ""};
    }
  }

  // Until it was empty twice: what a connection that broke had been given comes back after a
  // moment.
  Completion drain(Deadline deadline) {
    Json all = Json::array();
    for (int empty = 0; empty < 2;) {
      const auto taken = channel_.take(std::min<Deadline>(deadline, Clock::now() + 5s));
      if (!taken && Clock::now() >= deadline) return {OpType::info, nullptr, taken.error().message};
      empty = taken && !*taken ? empty + 1 : 0;
      if (!taken || !*taken)
        std::this_thread::sleep_for(200ms);
      else if (**taken != kMark)
        all.push_back(Json::parse(**taken, nullptr, false));
    }
    return {OpType::ok, std::move(all), ""};
  }

  Channel channel_;
};

}  // namespace

Status Channel::broken(const char* what) {
  connection_.reset();
  return fail("{}", what);
}

Status Channel::open(Deadline deadline) {
  if (connection_) return {};
  connection_.reset(amqp_new_connection());
  amqp_connection_state_t c = connection_.get();
  timeval time = left(deadline);
  amqp_socket_t* socket = amqp_tcp_socket_new(c);
  if (amqp_socket_open_noblock(socket, address_.c_str(), kPort, &time) != AMQP_STATUS_OK)
    return broken("cannot connect");
  time = left(deadline);
  amqp_set_handshake_timeout(c, &time);
  amqp_set_rpc_timeout(c, &time);
  if (amqp_login(c, "/", 0, AMQP_DEFAULT_FRAME_SIZE, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest")
              .reply_type != AMQP_RESPONSE_NORMAL ||
      amqp_channel_open(c, kChannel) == nullptr || amqp_confirm_select(c, kChannel) == nullptr)
    return broken("cannot log in");
  return {};
}

Status Channel::declare(const std::string& queue, bool quorum, bool passive, Deadline deadline) {
  if (auto opened = open(deadline); !opened) return opened;
  amqp_table_entry_t type{amqp_cstring_bytes("x-queue-type"), {}};
  type.value.kind = AMQP_FIELD_KIND_UTF8;
  type.value.value.bytes = amqp_cstring_bytes(quorum ? "quorum" : "classic");
  const timeval time = left(deadline);
  amqp_set_rpc_timeout(connection_.get(), &time);
  constexpr amqp_boolean_t kDurable = 1, kExclusive = 0, kAutoDelete = 0;
  if (amqp_queue_declare(connection_.get(), kChannel, bytes(queue), passive ? 1 : 0, kDurable,
                         kExclusive, kAutoDelete, {1, &type}) == nullptr)
    return broken("the queue is not declared");
  return {};
}

Result<amqp_frame_t> Channel::frame(Deadline deadline) {
  amqp_frame_t frame{};
  const timeval time = left(deadline);
  const int status = amqp_simple_wait_frame_noblock(connection_.get(), &frame, &time);
  if (status != AMQP_STATUS_OK)
    return tl::make_unexpected(broken(amqp_error_string2(status)).error());
  if (frame.frame_type == AMQP_FRAME_METHOD &&
      (frame.payload.method.id == AMQP_CHANNEL_CLOSE_METHOD ||
       frame.payload.method.id == AMQP_CONNECTION_CLOSE_METHOD))
    return tl::make_unexpected(broken("closed by the broker").error());
  return frame;
}

Completion Channel::publish(const std::string& body, Deadline deadline) {
  if (auto opened = open(deadline); !opened) return {OpType::fail, nullptr, opened.error().message};
  amqp_maybe_release_buffers(connection_.get());
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  // Mandatory: what no queue takes is confirmed, too, but comes back first.
  if (amqp_basic_publish(connection_.get(), kChannel, amqp_empty_bytes, amqp_cstring_bytes(kQueue),
                         1, 0, &properties, bytes(body)) != AMQP_STATUS_OK) {
    (void)broken("");
    return {OpType::info, nullptr, "the connection broke while it was sent"};
  }
  for (bool returned = false;;) {
    const auto next = frame(deadline);
    if (!next) return {OpType::info, nullptr, next.error().message};
    if (next->frame_type != AMQP_FRAME_METHOD) continue;  // of a message that comes back
    const auto method = next->payload.method.id;
    returned |= method == AMQP_BASIC_RETURN_METHOD;
    if (method == AMQP_BASIC_NACK_METHOD) return {OpType::info, nullptr, "refused by the broker"};
    if (method != AMQP_BASIC_ACK_METHOD) continue;
    if (returned) return {OpType::fail, nullptr, "no queue took it"};
    return {OpType::ok, nullptr, ""};
  }
}

Result<std::optional<std::string>> Channel::take(Deadline deadline) {
  if (auto opened = open(deadline); !opened) return tl::make_unexpected(opened.error());
  amqp_connection_state_t c = connection_.get();
  amqp_maybe_release_buffers(c);
  amqp_basic_get_t get{0, amqp_cstring_bytes(kQueue), 0};
  if (amqp_send_method(c, kChannel, AMQP_BASIC_GET_METHOD, &get) != AMQP_STATUS_OK)
    return tl::make_unexpected(broken("the connection broke").error());
  std::uint64_t tag = 0, size = 0;
  std::string body;
  for (bool header = false; !header || body.size() < size;) {
    const auto next = frame(deadline);
    if (!next) return tl::make_unexpected(next.error());
    if (next->frame_type == AMQP_FRAME_METHOD) {
      if (next->payload.method.id == AMQP_BASIC_GET_EMPTY_METHOD) return std::nullopt;
      if (next->payload.method.id == AMQP_BASIC_GET_OK_METHOD)
        tag = static_cast<amqp_basic_get_ok_t*>(next->payload.method.decoded)->delivery_tag;
    } else if (next->frame_type == AMQP_FRAME_HEADER) {
      header = true;
      size = next->payload.properties.body_size;
    } else if (next->frame_type == AMQP_FRAME_BODY) {
      const amqp_bytes_t part = next->payload.body_fragment;
      body.append(static_cast<const char*>(part.bytes), part.len);
    }
  }
  // If this is lost it comes once more, to somebody else.
  if (amqp_basic_ack(c, kChannel, tag, 0) != AMQP_STATUS_OK) (void)broken("");
  return body;
}

std::unique_ptr<Client> make_client(const Node& node) {
  return std::make_unique<QueueClient>(node.address);
}

}  // namespace gameday::rabbitmq
