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
  std::string unknown;
  put_frame(unknown, static_cast<FrameKind>(frame_kinds), "");
  for (const std::string& bytes : {std::string(12, '\0'), unknown, std::string("GET / HTTP/1.1\r\n")}) {
    FrameReader reader;
    reader.feed(bytes);
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.malformed());
    EXPECT_FALSE(reader.next());
  }
}

TEST(FrameReader, RefusesAFrameWithAnyBitFlippedAtOnce) {
  std::string whole;
  put_frame(whole, FrameKind::forward, "some content");
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    FrameReader reader;
    reader.feed(damaged);
    EXPECT_FALSE(reader.next()) << bit;
    EXPECT_TRUE(reader.malformed()) << bit;
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
  EXPECT_FALSE(decode_hello("searchd-peer-3...."));
  std::string huge;
  put(huge, std::uint64_t{1});
  put(huge, ~std::uint32_t{0});
  EXPECT_FALSE(decode_forward(huge));
}

}  // namespace
}  // namespace gameday::search
