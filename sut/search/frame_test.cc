#include "sut/search/frame.h"

#include <gtest/gtest.h>

#include "sut/search/bytes.h"

namespace gameday::search {
namespace {

TEST(FrameReader, PutsFramesTogetherFromAnyPieces) {
  std::string bytes;
  put_frame(bytes, FrameKind::hello, encode_hello(3));
  put_frame(bytes, FrameKind::raft, "");
  put_frame(bytes, FrameKind::forward, std::string(5000, 'f'));
  for (std::size_t piece = 1; piece <= bytes.size(); piece += piece < 40 ? 1 : 997) {
    FrameReader reader;
    std::vector<std::pair<FrameKind, std::string>> frames;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      reader.feed(std::string_view(bytes).substr(at, piece));
      while (const auto frame = reader.next()) frames.emplace_back(frame->kind, frame->content);
    }
    ASSERT_EQ(frames.size(), 3u) << piece;
    EXPECT_EQ(decode_hello(frames[0].second), raft::NodeId{3});
    EXPECT_EQ(frames[1].second, "");
    EXPECT_EQ(frames[2].second, std::string(5000, 'f'));
    EXPECT_FALSE(reader.malformed());
  }
}

TEST(FrameReader, RefusesWhatIsNoFrame) {
  std::string too_long;
  put(too_long, static_cast<std::uint32_t>(max_frame_bytes + 1));
  std::string empty;
  put(empty, std::uint32_t{0});
  std::string unknown;
  put(unknown, std::uint32_t{1});
  put(unknown, std::uint8_t{frame_kinds});
  for (const std::string& bytes : {too_long, empty, unknown, std::string("GET / HTTP/1.1\r\n")}) {
    FrameReader reader;
    reader.feed(bytes);
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.malformed());
    EXPECT_FALSE(reader.next());
  }
}

TEST(Frame, ContentsSurviveEncodingAndNothingElseDoes) {
  const Forward forward{.id = 7, .writes = {{"a", "b"}, {}, {std::string("\0c", 2)}}};
  const ForwardReply reply{
      .id = 7, .accepted = true, .places = {{.index = 1, .term = 2, .job = 3}, {}}};
  EXPECT_EQ(decode_forward(encode(forward)), forward);
  EXPECT_EQ(decode_forward_reply(encode(reply)), reply);
  for (const std::string& bytes : {encode(forward), encode(reply)}) {
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_forward_reply(bytes.substr(0, size))) << size;
    }
  }
  for (std::size_t size = 0; size < encode(forward).size(); ++size) {
    EXPECT_FALSE(decode_forward(encode(forward).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_forward(encode(forward) + "x"));
  EXPECT_FALSE(decode_hello("searchd-peer-2...."));
  std::string huge;
  put(huge, std::uint64_t{1});
  put(huge, ~std::uint32_t{0});
  EXPECT_FALSE(decode_forward(huge));
}

}  // namespace
}  // namespace gameday::search
