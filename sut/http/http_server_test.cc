#include "sut/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "sut/http/url.h"

namespace gameday::http {
namespace {

TEST(Url, DecodesAndSplits) {
  EXPECT_EQ(percent_decode("a%2Fb%20c+d"), "a/b c+d");
  EXPECT_EQ(percent_decode("%"), std::nullopt);
  EXPECT_EQ(percent_decode("%4"), std::nullopt);
  EXPECT_EQ(percent_decode("%zz"), std::nullopt);
  EXPECT_EQ(percent_decode(percent_encode("\xc3\xa9 /?&=%+~")), "\xc3\xa9 /?&=%+~");
  EXPECT_EQ(path_segments("/1/a%2Fb"), (std::vector<std::string>{"1", "a/b"}));
  EXPECT_EQ(path_segments("/1//b"), std::nullopt);
  EXPECT_EQ(path_segments("1"), std::nullopt);
  EXPECT_EQ(path_segments("/1/"), std::nullopt);
  EXPECT_EQ(query_parameter("a=1&b=x+y%2B&c", "b"), "x y+");
  EXPECT_EQ(query_parameter("a=1&b=2&c", "c"), "");
  EXPECT_EQ(query_parameter("ab=1", "a"), std::nullopt);
}

// A server that answers with what it was asked, on a loop thread of its own.
class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options;
    options.max_body_bytes = 1000;
    server_ = std::make_unique<Server>(loop_, options, [this](const Request& request, Reply reply) {
      std::string body = fmt::format("{} {} {} {} {}", request.method, request.path, request.query,
                                     request.header("x-header"), request.body);
      boost::asio::post(loop_, [reply, body] { reply({.status = 200, .body = body}); });
    });
    ASSERT_TRUE(server_->listen());
    thread_ = std::jthread([this] { loop_.run(); });
  }
  void TearDown() override {
    loop_.stop();
    thread_.join();
  }

  // Sends all of it at once and reads until the server closes or `enough` bytes came.
  std::string exchange(const std::string& sent, std::size_t enough = 1 << 20) const {
    const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::send(connection, sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()));
    std::string received;
    char buffer[4096];
    while (received.size() < enough) {
      const ssize_t size = ::recv(connection, buffer, sizeof(buffer), 0);
      if (size <= 0) break;
      received.append(buffer, static_cast<std::size_t>(size));
    }
    ::close(connection);
    return received;
  }

  boost::asio::io_context loop_;
  std::unique_ptr<Server> server_;
  std::jthread thread_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(HttpServerTest, HandsOutTheRequest) {
  const std::string answer = exchange(
      "PUT /a%20b?c=d HTTP/1.1\r\nHost: h\r\nX-Header: v\r\nContent-Length: 4\r\n"
      "Connection: close\r\n\r\nbody");
  EXPECT_TRUE(contains(answer, "HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_TRUE(contains(answer, "\r\n\r\nPUT /a%20b c=d v body")) << answer;
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += fmt::format("GET /{} HTTP/1.1\r\nHost: h\r\n{}\r\n", i,
                            i == 19 ? "Connection: close\r\n" : "");
  }
  const std::string answers = exchange(requests);
  std::size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answers.find(fmt::format("GET /{} ", i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(HttpServerTest, RefusesWhatIsTooLargeOrNoHttp) {
  const std::string large = exchange("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_TRUE(contains(large, "HTTP/1.1 413 ")) << large;
  EXPECT_TRUE(contains(large, R"("mayHaveHappened":false)")) << large;
  EXPECT_TRUE(contains(exchange("nonsense\r\n\r\n"), "HTTP/1.1 400 "));
  const std::string header = "GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n";
  EXPECT_TRUE(contains(exchange(header), "HTTP/1.1 431 "));
  // And is still there for others.
  EXPECT_TRUE(contains(exchange("GET / HTTP/1.0\r\n\r\n"), "200 OK"));
}

TEST_F(HttpServerTest, RefusesAnAddressInUse) {
  ServerOptions options;
  options.port = server_->port();
  boost::asio::io_context loop;
  Server second(loop, options, [](const Request&, const Reply&) {});
  EXPECT_FALSE(second.listen());
  options.address = "localhost";
  Server third(loop, options, [](const Request&, const Reply&) {});
  EXPECT_FALSE(third.listen());
}

}  // namespace
}  // namespace gameday::http
