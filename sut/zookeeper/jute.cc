#include "sut/zookeeper/jute.h"

namespace gameday::zookeeper {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kTimeout = 10s;  // of a session that says nothing; 20 ticks are the most
constexpr std::int32_t kLargest = 64 << 20;

}  // namespace

Writer& Writer::i32(std::int32_t value) {
  for (int bits = 24; bits >= 0; bits -= 8) bytes_ += static_cast<char>(value >> bits & 0xff);
  return *this;
}

Writer& Writer::i64(std::int64_t value) {
  return i32(static_cast<std::int32_t>(value >> 32)).i32(static_cast<std::int32_t>(value));
}

Writer& Writer::text(std::string_view value) {
  i32(static_cast<std::int32_t>(value.size()));
  bytes_ += value;
  return *this;
}

std::string_view Reader::take(std::size_t count) {
  ok_ = ok_ && count <= bytes_.size();
  if (!ok_) return {};
  const std::string_view taken = bytes_.substr(0, count);
  bytes_.remove_prefix(count);
  return taken;
}

std::int32_t Reader::i32() {
  std::uint32_t value = 0;
  for (const char c : take(4)) value = value << 8 | static_cast<unsigned char>(c);
  return static_cast<std::int32_t>(value);
}

std::string_view Reader::text() {
  const std::int32_t size = i32();  // -1: null
  return size <= 0 ? std::string_view() : take(static_cast<std::size_t>(size));
}

const Request& touch() {
  static const Request kTouch{Call::set_data, Writer().text("/").text("").i32(kAnyVersion).bytes()};
  return kTouch;
}

Result<std::string> Session::frame(Deadline deadline) {
  const auto size = connection_.read(4, deadline);
  if (!size) return size;
  const std::int32_t bytes = Reader(*size).i32();
  if (bytes < 0 || bytes > kLargest) return fail("an answer of {} bytes", bytes);
  return connection_.read(static_cast<std::size_t>(bytes), deadline);
}

// A new session, never the one before: nobody waits for what that one had asked.
Status Session::open(Deadline deadline) {
  if (auto opened = connection_.open(address_, kClientPort, deadline); !opened) return opened;
  const Writer connect = Writer()
                             .i32(0)  // version
                             .i64(0)  // has seen nothing: any server will do
                             .i32(std::chrono::milliseconds(kTimeout).count())
                             .i64(0)  // a new session
                             .text(std::string(16, '\0'))
                             .i8(0);  // not of a server that may only be read
  if (auto sent = connection_.write(Writer().text(connect.bytes()).bytes(), deadline); !sent)
    return sent;
  if (const auto answer = frame(deadline); !answer) return tl::make_unexpected(answer.error());
  return {};
}

Reply Session::call(const std::vector<Request>& requests, Deadline deadline) {
  if (Clock::now() - used_ > kTimeout / 2) connection_.close();  // it may have expired
  used_ = Clock::now();
  if (!connection_.is_open())
    if (auto opened = open(deadline); !opened) return {opened.error().message, false, 0, ""};
  std::string bytes;
  for (const auto& [call, body] : requests) {
    const Writer header = Writer().i32(++xid_).i32(static_cast<std::int32_t>(call));
    bytes += Writer().text(header.bytes() + body).bytes();
  }
  if (auto sent = connection_.write(bytes, deadline); !sent)
    return {sent.error().message, true, 0, ""};
  Reply first;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto answer = frame(deadline);
    if (!answer) {
      connection_.close();
      return {answer.error().message, true, 0, ""};
    }
    constexpr std::size_t kHeader = 16;
    Reader reader(*answer);
    const std::int32_t xid = reader.i32();
    reader.skip(8);  // zxid
    Reply reply{"", true, reader.i32(), answer->substr(std::min(answer->size(), kHeader))};
    if (!reader.ok() || xid != xid_ - static_cast<std::int32_t>(requests.size() - 1 - i)) {
      connection_.close();
      return {"the server answered something else", true, 0, ""};
    }
    if (first.ok()) first = std::move(reply);
  }
  return first;
}

Result<std::string> ask(const std::string& address, std::string_view word, Deadline deadline) {
  sut::Connection connection;
  if (auto opened = connection.open(address, kClientPort, deadline); !opened)
    return tl::make_unexpected(opened.error());
  if (auto sent = connection.write(word, deadline); !sent) return tl::make_unexpected(sent.error());
  std::string answer;  // until the server closes
  for (;;) {
    auto more = connection.read_some(deadline);
    if (!more && answer.empty()) return more;
    if (!more) return answer;
    answer += *more;
  }
}

}  // namespace gameday::zookeeper
