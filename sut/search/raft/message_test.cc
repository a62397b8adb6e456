#include "sut/search/raft/message.h"

#include <gtest/gtest.h>

#include <random>

namespace gameday::search::raft {
namespace {

std::string random_bytes(std::mt19937_64& rng, std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(rng() & 0xff));
  return bytes;
}

Entry random_entry(std::mt19937_64& rng, Index index) {
  return {.term = rng(),
          .index = index,
          .first_job = rng(),
          .jobs = static_cast<std::uint32_t>(rng()),
          .payload = random_bytes(rng, rng() % 40)};
}

Message random_message(std::mt19937_64& rng) {
  Message message;
  message.type = static_cast<MessageType>(rng() % message_types);
  message.from = static_cast<NodeId>(rng());
  message.to = static_cast<NodeId>(rng());
  message.term = rng();
  message.log_index = rng() >> 1;
  message.log_term = rng();
  message.commit = rng();
  message.reject = rng() % 2 == 0;
  message.force = rng() % 2 == 0;
  message.hint_index = rng();
  message.hint_term = rng();
  message.context = rng();
  if (message.type == MessageType::append_request) {
    for (Index i = rng() % 5; i > 0; --i) {
      message.entries.push_back(
          random_entry(rng, message.log_index + 1 + message.entries.size()));
    }
  }
  return message;
}

TEST(MessageCodec, RoundTrip) {
  std::mt19937_64 rng(1);
  for (int i = 0; i < 5000; ++i) {
    const Message message = random_message(rng);
    ASSERT_EQ(decode(encode(message)), message) << name(message.type);
    const Entry entry = random_entry(rng, rng());
    ASSERT_EQ(decode_entry(encode(entry)), entry);
    ASSERT_EQ(encode(entry).size(), encoded_size(entry));
  }
}

TEST(MessageCodec, IsLittleEndian) {
  const std::string bytes = encode(Entry{.term = 0x0102, .index = 3, .first_job = 4, .jobs = 5});
  EXPECT_EQ(bytes[0], 2);
  EXPECT_EQ(bytes[1], 1);
  EXPECT_EQ(bytes[8], 3);
}

TEST(MessageCodec, EveryPrefixAndEverySuffixIsRefused) {
  std::mt19937_64 rng(2);
  for (int i = 0; i < 100; ++i) {
    const std::string bytes = encode(random_message(rng));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_FALSE(decode(std::string_view(bytes).substr(0, size)));
    }
    ASSERT_FALSE(decode(bytes + "x"));
  }
  const std::string entry = encode(random_entry(rng, 1));
  for (std::size_t size = 0; size < entry.size(); ++size) {
    ASSERT_FALSE(decode_entry(std::string_view(entry).substr(0, size)));
  }
  ASSERT_FALSE(decode_entry(entry + "x"));
}

// Whatever decodes is well-formed, so that it encodes to the same bytes again.
TEST(MessageCodec, FuzzedBytesDecodeToNothingOrToThemselves) {
  std::mt19937_64 rng(3);
  std::size_t accepted = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string bytes = encode(random_message(rng));
    for (auto flips = rng() % 4; flips > 0; --flips) {
      bytes[rng() % bytes.size()] = static_cast<char>(rng() & 0xff);
    }
    if (rng() % 8 == 0) bytes = random_bytes(rng, rng() % 200);
    const auto message = decode(bytes);
    if (!message) continue;
    ++accepted;
    ASSERT_EQ(encode(*message), bytes);
  }
  EXPECT_GT(accepted, 1000u);
}

TEST(MessageCodec, RefusesWhatTheCoreDoesNotExpect) {
  Message append;
  append.type = MessageType::append_request;
  append.log_index = 7;
  append.entries = {{.term = 1, .index = 8}, {.term = 1, .index = 9}};
  EXPECT_TRUE(decode(encode(append)));
  append.entries[1].index = 10;
  EXPECT_FALSE(decode(encode(append))) << "a gap between entries";
  append.entries = {{.term = 1, .index = 9}};
  EXPECT_FALSE(decode(encode(append))) << "a gap before the entries";
  append.log_index = ~Index{0};
  append.entries = {{.term = 1, .index = 0}};
  EXPECT_FALSE(decode(encode(append))) << "the index wraps around";
  append.log_index = 7;
  append.entries = {{.term = 1, .index = 8}};
  append.type = MessageType::vote_request;
  EXPECT_FALSE(decode(encode(append))) << "entries in a vote request";

  std::string bytes = encode(Message{});
  bytes[0] = static_cast<char>(message_types);
  EXPECT_FALSE(decode(bytes)) << "an unknown type";
  bytes = encode(Message{});
  bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(decode(bytes)) << "a count of entries far beyond the bytes";
}

}  // namespace
}  // namespace gameday::search::raft
