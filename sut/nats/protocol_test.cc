#include "sut/nats/protocol.h"

#include <gtest/gtest.h>

namespace gameday::nats {
namespace {

TEST(Protocol, AnnouncementsOfMessages) {
  const auto plain = parse_announcement("MSG gd.s5 1 $JS.ACK.gd.q.1.1.1.1.0 11");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->subject, "gd.s5");
  EXPECT_EQ(plain->reply, "$JS.ACK.gd.q.1.1.1.1.0");
  EXPECT_EQ(plain->headers, 0U);
  EXPECT_EQ(plain->size, 11U);
  const auto bare =
      parse_announcement("HMSG _INBOX.a.3 1  117 118");  // the server writes two spaces
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->subject, "_INBOX.a.3");
  EXPECT_EQ(bare->reply, "");
  EXPECT_EQ(bare->headers, 117U);
  EXPECT_EQ(bare->size, 118U);
}

TEST(Protocol, RefusesWhatIsNoMessage) {
  for (const char* line :
       {"", " ", "MSG", "MSG a 1", "MSG a 1 b c 5", "MSG a 1 -5", "MSG a 1 5x", "MSG a 1 0x5",
        "MSG a 1 99999999999", "MSG a 1 99999999999999999999999", "HMSG a 1 5", "HMSG a 1 6 5",
        "HMSG a 1 b c 1 2", "HMSG a 1 18446744073709551615 5", "msg a 1 5", "PONG",
        "HTTP/1.1 200 OK"})
    EXPECT_FALSE(parse_announcement(line)) << line;
}

TEST(Protocol, StatusOfHeaders) {
  const auto status = [](const char* headers) { return Message{"", "", headers, ""}.status(); };
  EXPECT_EQ(status("NATS/1.0 404 Message Not Found\r\n\r\n"), 404);
  EXPECT_EQ(status("NATS/1.0 503\r\n\r\n"), 503);
  for (const char* none :
       {"", "NATS/1.0\r\nNats-Stream: gd\r\n\r\n", "NATS/1.0 ", "NATS/1.0 4", "NATS/1.0 abc"})
    EXPECT_LT(status(none), 100) << none;
}

TEST(Protocol, Times) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:01.5Z"), 1'500'000'000);
  EXPECT_EQ(parse_time("2026-11-26T08:21:48.115363936Z"), 1'795'681'308'115'363'936);
  EXPECT_EQ(parse_time("2026-11-26T08:21:48Z"), 1'795'681'308'000'000'000);
  EXPECT_EQ(parse_time("yesterday"), std::nullopt);
  EXPECT_EQ(parse_time("2026-11-26T08:21:48+01:00"), std::nullopt);
}

}  // namespace
}  // namespace gameday::nats
