#include "sut/zookeeper/jute.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <limits>
#include <thread>

namespace gameday::zookeeper {
namespace {

using namespace std::chrono_literals;

TEST(Jute, ReadsWhatItWrote) {
  const Writer writer = Writer().i8(-1).i32(-2).i64(1'234'567'890'123).text("value").text("");
  EXPECT_EQ(writer.bytes().size(), 1U + 4 + 8 + 4 + 5 + 4);
  Reader reader(writer.bytes());
  reader.skip(1);
  EXPECT_EQ(reader.i32(), -2);
  EXPECT_EQ(reader.i32(), 287);  // the upper half
  EXPECT_EQ(reader.i32(), 1'912'276'171);
  EXPECT_EQ(reader.text(), "value");
  EXPECT_EQ(reader.text(), "");
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.i32(), 0);
  EXPECT_FALSE(reader.ok());
}

TEST(Jute, StopsAtWhatDoesNotFit) {
  for (const std::int32_t size : {6, 1'000'000, std::numeric_limits<std::int32_t>::max()}) {
    const std::string bytes = Writer().i32(size).bytes() + "short";
    Reader reader(bytes);
    EXPECT_EQ(reader.text(), "");
    EXPECT_FALSE(reader.ok());
    EXPECT_EQ(reader.i32(), 0);  // though four bytes would be there
  }
  for (const std::int32_t null : {-1, std::numeric_limits<std::int32_t>::min()}) {
    const std::string bytes = Writer().i32(null).i32(7).bytes();
    Reader reader(bytes);
    EXPECT_EQ(reader.text(), "");
    EXPECT_EQ(reader.i32(), 7);
    EXPECT_TRUE(reader.ok());
  }
}

// A server that answers everything with these bytes, on the port that ZooKeeper has.
class Hostile {
 public:
  explicit Hostile(std::string answer) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(kClientPort);
    ::inet_pton(AF_INET, kAddress, &name.sin_addr);
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    listens_ = ::bind(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
               ::listen(fd_, 8) == 0;
    thread_ = std::jthread([this, answer = std::move(answer)] {
      for (int client; (client = ::accept(fd_, nullptr, nullptr)) >= 0; ::close(client)) {
        (void)!::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
        char bytes[256];
        while (::recv(client, bytes, sizeof bytes, 0) > 0) {
        }
      }
    });
  }
  ~Hostile() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  bool listens() const { return listens_; }
  static constexpr const char* kAddress = "127.77.0.81";

 private:
  int fd_;
  bool listens_ = false;
  std::jthread thread_;
};

TEST(Session, TakesNoAnswerThatIsNone) {
  const std::string session = Writer().text(std::string(37, '\0')).bytes();
  for (const std::string& answer :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), Writer().i32(-1).bytes(),
        session + Writer().text("short").bytes(),
        session + Writer().text(Writer().i32(99).i64(0).i32(0).bytes()).bytes(),
        session + Writer().i32(16).i32(1).bytes()}) {
    const Hostile server(answer);
    if (!server.listens()) GTEST_SKIP() << "the port is taken";
    const Reply reply =
        Session(Hostile::kAddress).call({touch()}, std::chrono::steady_clock::now() + 200ms);
    EXPECT_FALSE(reply.ok());
    EXPECT_NE(reply.error, "");
  }
  const Hostile server(session + Writer().text(Writer().i32(1).i64(0).i32(-110).bytes()).bytes());
  const Reply reply =
      Session(Hostile::kAddress).call({touch()}, std::chrono::steady_clock::now() + 5s);
  EXPECT_EQ(reply.error, "");
  EXPECT_EQ(reply.code, kNodeExists);
}

}  // namespace
}  // namespace gameday::zookeeper
