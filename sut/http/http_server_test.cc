#include "sut/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "sut/http/checksum.h"
#include "sut/http/http_client.h"
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

  int connect() const {
    const int connection = ::socket(AF_INET, SOCK_STREAM, 0);
    // A server that is silent where it should answer fails a test, and does not hang it.
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return connection;
  }

  static void send(int connection, const std::string& sent) {
    EXPECT_EQ(::send(connection, sent.data(), sent.size(), 0), static_cast<ssize_t>(sent.size()));
  }

  // Reads until the server closes or `enough` bytes came.
  static std::string receive(int connection, std::size_t enough = 1 << 20) {
    std::string received;
    char buffer[4096];
    while (received.size() < enough) {
      const std::size_t most = std::min(sizeof(buffer), enough - received.size());
      const ssize_t size = ::recv(connection, buffer, most, 0);
      if (size <= 0) break;
      received.append(buffer, static_cast<std::size_t>(size));
    }
    return received;
  }

  // Sends all of it at once and reads until the server closes.
  std::string exchange(const std::string& sent) const {
    const int connection = connect();
    send(connection, sent);
    std::string received = receive(connection);
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

const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";

std::string expecting(const std::string& more, const std::string& version = "1.1") {
  return "PUT / HTTP/" + version + "\r\nHost: h\r\nExpect: 100-Continue\r\n" + more + "\r\n";
}

TEST_F(HttpServerTest, TellsAClientThatWaitsToSendTheBody) {
  const int connection = connect();
  for (const char* framing : {"Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n"}) {
    send(connection, expecting(framing));
    EXPECT_EQ(receive(connection, go_on.size()), go_on) << framing;
    send(connection, framing[0] == 'C' ? "body" : "4\r\nbody\r\n0\r\n\r\n");
    const std::string answer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        "Content-Length: 12\r\n\r\nPUT /   body";
    EXPECT_EQ(receive(connection, answer.size()), answer) << framing;
  }
  ::close(connection);
}

TEST_F(HttpServerTest, ContinuesWithoutLosingWhatIsPipelined) {
  const std::string answers =
      exchange(expecting("Content-Length: 4\r\n") + "body" + expecting("Content-Length: 5\r\n") +
               "other" + "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  std::size_t at = 0;
  for (const std::string& part : {go_on, std::string("PUT /   body"), go_on,
                                  std::string("PUT /   other"), std::string("GET /last ")}) {
    at = answers.find(part, at);
    ASSERT_NE(at, std::string::npos) << part << " in " << answers;
    at += part.size();
  }
}

TEST_F(HttpServerTest, InvitesNoBodyThatIsNotWanted) {
  const std::string large = exchange(expecting("Content-Length: 1001\r\n"));
  EXPECT_TRUE(large.starts_with("HTTP/1.1 413 ")) << large;
  const std::string close = "Connection: close\r\n";
  const std::string none = exchange(expecting(close + "Content-Length: 0\r\n"));
  EXPECT_TRUE(none.starts_with("HTTP/1.1 200 ")) << none;
  const std::string old = exchange(expecting("Content-Length: 4\r\n", "1.0") + "body");
  EXPECT_TRUE(old.starts_with("HTTP/1.1 200 ")) << old;
  const std::string unknown = "PUT / HTTP/1.1\r\nHost: h\r\nExpect: else\r\nContent-Length: 4\r\n";
  const std::string other = exchange(unknown + close + "\r\nbody");
  EXPECT_TRUE(other.starts_with("HTTP/1.1 200 ")) << other;
}

// Whatever single byte of a checked request is damaged, what was asked for is never done: the server
// sees it, or the request no longer is one.
TEST_F(HttpServerTest, ACheckedRequestIsTakenWholeOrNotAtAll) {
  const std::string checksum = request_checksum(
      "PUT", "/checked/x?q=1", {{"X-Header", "h"}}, "body");
  const std::string request = fmt::format(
      "PUT /checked/x?q=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Header: h\r\n"
      "X-Checksum: {}\r\nContent-Length: 4\r\n\r\nbody", checksum);
  const std::string whole = exchange(request);
  EXPECT_TRUE(whole.starts_with("HTTP/1.1 200 ")) << whole;
  EXPECT_TRUE(whole.ends_with("PUT /x q=1 h body")) << whole;
  EXPECT_NE(whole.find("X-Checksum: " + answer_checksum(checksum, 200, "PUT /x q=1 h body")),
            std::string::npos) << whole;
  for (std::size_t at = 0; at < request.size(); ++at) {
    // A longer body than was sent is waited for: that ends by a deadline.
    const std::string_view left = std::string_view(request).substr(at);
    if (left.size() <= 9 && left.size() > 4) continue;  // "4\r\n\r\n"
    std::string damaged = request;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x11);
    if (damaged.find("Content-Length: 4\r\n\r\n") == std::string::npos) continue;
    if (damaged.find("\r\nConnection: close\r\n") == std::string::npos) continue;
    const std::string answer = exchange(damaged);
    const bool unharmed = answer.ends_with("PUT /x q=1 h body");  // only Host is not covered
    EXPECT_TRUE(!answer.starts_with("HTTP/1.1 200 ") || unharmed) << damaged << answer;
  }
  std::string unchecked = request;
  unchecked.replace(unchecked.find("X-Checksum"), 10, "X-Nonsense");
  EXPECT_TRUE(exchange(unchecked).starts_with("HTTP/1.1 400 "));
}

TEST_F(HttpServerTest, AClientNoticesAnAnswerThatWasDamaged) {
  Client checked("127.0.0.1", server_->port(), true);
  const ClientRequest request{.method = "PUT", .target = "/x", .body = "b",
                              .headers = {{"X-Header", "h"}}};
  const auto deadline = [] { return Client::Clock::now() + std::chrono::seconds(20); };
  const auto answer = checked.call(request, deadline());
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, "PUT /x  h b");
  // A server that answers with a checksum that does not fit.
  boost::asio::io_context loop;
  boost::asio::ip::tcp::acceptor acceptor(
      loop, {boost::asio::ip::make_address("127.0.0.1"), 0});
  std::jthread liar([&] {
    auto socket = acceptor.accept();
    char buffer[1000];
    (void)socket.receive(boost::asio::buffer(buffer));
    const std::string_view lie =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Checksum: 12345678\r\n\r\nok";
    (void)socket.send(boost::asio::buffer(lie));
  });
  Client lied_to("127.0.0.1", acceptor.local_endpoint().port(), true);
  const auto lie = lied_to.call(request, deadline());
  ASSERT_FALSE(lie);
  EXPECT_TRUE(lie.error().sent);
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
