// The dice and the damage, without a kernel.
#include "harness/core/duration.h"
#include "harness/lab/impairment.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace gameday::lab {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::uint8_t>;

std::uint32_t sum_of(const Bytes& bytes, std::size_t from) {
  std::uint32_t sum = 0;
  for (std::size_t i = from; i < bytes.size(); ++i)
    sum += (i - from) % 2 == 0 ? bytes[i] << 8U : bytes[i];
  return sum;
}

// A UDP or TCP packet of 10.77.0.1:1000 to 10.77.0.2:2000 with a right checksum of its transport part.
Bytes packet(bool tcp, const std::string& payload) {
  const std::size_t header = tcp ? 20 : 8, length = 20 + header + payload.size();
  Bytes bytes{0x45, 0, 0, static_cast<std::uint8_t>(length), 0, 1, 0, 0, 64, 0, 0, 0};
  bytes[9] = tcp ? 6 : 17;
  bytes.insert(bytes.end(), {10, 77, 0, 1, 10, 77, 0, 2});
  bytes.insert(bytes.end(), {1000 >> 8, 1000 & 0xff, 2000 >> 8, 2000 & 0xff});
  bytes.resize(20 + header);
  if (tcp) bytes[32] = 0x50;
  if (!tcp) bytes[25] = static_cast<std::uint8_t>(8 + payload.size());
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  const std::size_t at = tcp ? 36 : 26;
  std::uint32_t sum = sum_of(bytes, 12) + bytes[9] + static_cast<std::uint32_t>(length - 20);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  bytes[at] = static_cast<std::uint8_t>(~sum >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(~sum);
  return bytes;
}

bool checksum_is_right(const Bytes& bytes) {
  std::uint32_t sum = sum_of(bytes, 12) + bytes[9] + static_cast<std::uint32_t>(bytes.size() - 20);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

int bits_changed(const Bytes& a, const Bytes& b, std::size_t from) {
  int bits = 0;
  for (std::size_t i = from; i < a.size(); ++i) bits += __builtin_popcount(a[i] ^ b[i]);
  return bits;
}

TEST(PacketBytes, AreReadAndDamaged) {
  Rng rng(1);
  for (const bool tcp : {false, true})
    for (const std::string payload : {"x", "xy", "three", "\xff\xff\xff\xff", ""}) {
      const Bytes sent = packet(tcp, payload);
      const auto info = parse_packet(sent).value();
      EXPECT_EQ(info.from, 0x0a4d0001U);
      EXPECT_EQ(info.from_port, 1000);
      EXPECT_EQ(info.to_port, 2000);
      EXPECT_EQ(info.payload, payload.size());
      ASSERT_TRUE(checksum_is_right(sent));
      const std::size_t header = 20 + (tcp ? 20 : 8);
      for (int i = 0; i < 300; ++i) {
        Bytes broken = sent, altered = sent;
        flip_a_bit(broken, info, rng);
        EXPECT_FALSE(checksum_is_right(broken));
        EXPECT_EQ(bits_changed(sent, broken, 0), 1);
        EXPECT_EQ(flip_a_bit_silently(altered, info, rng), !payload.empty());
        EXPECT_TRUE(checksum_is_right(altered));
        EXPECT_EQ(bits_changed(sent, altered, header), payload.empty() ? 0 : 1);
      }
    }
  Bytes fragment = packet(false, "later part");
  fragment[7] = 1;  // its checksum is elsewhere
  EXPECT_FALSE(flip_a_bit_silently(fragment, parse_packet(fragment).value(), rng));
  EXPECT_FALSE(parse_packet(Bytes{0x60, 0, 0}));
}

std::vector<double> delays(const Impairment& impairment) {
  Dice dice(impairment, Rng(1));
  std::vector<double> result;
  for (int i = 0; i < 20'000; ++i)
    result.push_back(ms(dice.roll({}, {}).delay));
  return result;
}

TEST(Dice, DrawDelaysFromEachDistribution) {
  const auto check = [](Distribution distribution, double least, double mean, double above_60) {
    auto drawn = delays(
        {.delay = 50ms, .jitter = 10ms, .distribution = distribution, .keep_order = false});
    double sum = 0;
    for (const double delay : drawn) sum += delay;
    EXPECT_NEAR(sum / static_cast<double>(drawn.size()), mean, 0.4);
    EXPECT_GE(*std::min_element(drawn.begin(), drawn.end()), least);
    const auto count = std::count_if(drawn.begin(), drawn.end(), [](double d) { return d > 60; });
    EXPECT_NEAR(static_cast<double>(count) / static_cast<double>(drawn.size()), above_60, 0.015);
  };
  check(Distribution::uniform, 40, 50, 0);
  check(Distribution::normal, 0, 50, 0.159);       // beyond one standard deviation
  check(Distribution::exponential, 50, 60, 0.368);  // 1/e
  check(Distribution::pareto, 50, 55, 0.125);       // 2^-3
  EXPECT_EQ(delays({.delay = 50ms})[0], 50);
}

TEST(Dice, KeepOrderAcrossTime) {
  Dice dice({.delay = 20ms, .jitter = 20ms}, Rng(1));
  Dice::Time now{}, last{};
  for (int i = 0; i < 1000; ++i, now += 1ms) {
    const auto due = now + dice.roll(now, {}).delay;
    EXPECT_GE(due, last);
    last = due;
  }
}

TEST(Dice, LoseTheShareAskedForAloneOrInBursts) {
  for (const double burst : {1.0, 10.0}) {
    Dice dice({.loss = 0.2, .burst = burst}, Rng(3));
    int lost = 0, bursts = 0;
    bool before = false;
    for (int i = 0; i < 100'000; ++i) {
      const bool now = dice.roll({}, {}).lost;
      lost += now;
      bursts += now && !before;
      before = now;
    }
    EXPECT_NEAR(lost, 20'000, 1'500);
    EXPECT_NEAR(static_cast<double>(lost) / bursts, burst == 1 ? 1.25 : 10, burst / 10);
  }
}

TEST(Dice, TheSameSeedFallsTheSameWay) {
  const Impairment impairment{.loss = 0.3, .duplicate = 0.3, .delay = 5ms, .jitter = 5ms};
  Dice a(impairment, Rng(7)), b(impairment, Rng(7));
  for (int i = 0; i < 1000; ++i) {
    const Fate x = a.roll({}, {}), y = b.roll({}, {});
    EXPECT_EQ(x.lost, y.lost);
    EXPECT_EQ(x.delay, y.delay);
    EXPECT_EQ(x.copy, y.copy);
  }
}

}  // namespace
}  // namespace gameday::lab
