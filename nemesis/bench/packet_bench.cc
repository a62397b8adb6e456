#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <ctime>
#include <thread>

#include "harness/lab/test_server.h"
#include "harness/lab/test_sockets.h"
#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {
namespace {

using namespace std::chrono_literals;
using lab::Fd;
using lab::Impairment;
using Clock = std::chrono::steady_clock;
namespace testing = lab::testing;

constexpr int kPort = 7100;
constexpr std::uint64_t kSeed = 1;

std::int64_t wall_now() {
  timespec t{};
  ::clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * std::int64_t{1'000'000'000} + t.tv_nsec;
}

struct Sent {
  std::uint32_t number;
  std::int64_t at;  // of the machine's clock, ns
};

// Datagrams at 1,000 a second, until told to stop.
class Stream {
 public:
  Stream(const lab::Lab& lab, const std::string& from, const std::string& to)
      : socket_(testing::udp_socket(lab, from)), to_(testing::address_of(lab, to)) {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      auto next = Clock::now();
      for (std::uint32_t i = 0; !stop.stop_requested(); ++i) {
        std::this_thread::sleep_until(next += 1ms);
        const Sent sent{i, wall_now()};
        (void)testing::send_to(socket_, to_, kPort,
                               {reinterpret_cast<const char*>(&sent), sizeof sent});
      }
    });
  }

 private:
  Fd socket_;
  std::string to_;
  std::jthread thread_;
};

struct Arrival {
  Sent sent;
  std::int64_t at;  // as the receiving kernel says, so that a late reader does not matter
};

std::vector<Arrival> arrivals(const Fd& socket, std::chrono::milliseconds duration) {
  std::vector<Arrival> result;
  const auto end = Clock::now() + duration;
  while (Clock::now() < end) {
    pollfd waiting{socket.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 10) <= 0) continue;
    Arrival arrival{};
    alignas(cmsghdr) char control[256];
    iovec data{&arrival.sent, sizeof arrival.sent};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(socket.get(), &message, 0) != sizeof arrival.sent) continue;
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
      if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
        timespec t{};
        std::memcpy(&t, CMSG_DATA(header), sizeof t);
        arrival.at = t.tv_sec * std::int64_t{1'000'000'000} + t.tv_nsec;
      }
    result.push_back(arrival);
  }
  return result;
}

Row exactness(lab::Lab& lab, lab::Packets& packets, const std::string& measure,
              const Impairment& impairment) {
  const auto from = testing::address_of(lab, "n1"), to = testing::address_of(lab, "n2");
  const Fd target = testing::udp_socket(lab, "n2", kPort);
  const int yes = 1;
  ::setsockopt(target.get(), SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
  const auto id = packets.add({{from, to}}, impairment, kSeed);
  if (!id) return {measure, id.error().message, {}, {}, {}};
  std::vector<Arrival> all;
  {
    const Stream stream(lab, "n1", "n2");
    all = arrivals(target, 4s);
  }
  const auto report = packets.remove(*id);
  // The same dice again: what each packet's delay should have been.
  lab::Dice dice(impairment, Rng(kSeed).fork("0"));
  std::vector<double> errors;
  std::uint32_t rolled = 0;
  for (const auto& arrival : all) {
    const lab::Dice::Time at{std::chrono::nanoseconds(arrival.sent.at)};
    std::chrono::nanoseconds delay{0};
    for (; rolled <= arrival.sent.number; ++rolled) delay = dice.roll(at, {}).delay;
    errors.push_back(std::abs(static_cast<double>(arrival.at - arrival.sent.at - delay.count())));
  }
  return {measure,
          fmt::format("error {:.3f} ms, p99 {:.3f} ms, of {}{}", median(errors) / 1e6,
                      percentile(errors, 99) / 1e6, errors.size(),
                      report && report->realtime ? "" : ", no real-time priority"),
          "median under 1 ms, p99 under 5 ms", {}, {}};
}

// Bytes a second over one connection from n3 to n4.
double throughput(const lab::Lab& lab) {
  const Fd listener = testing::tcp_listener(lab, "n4", kPort);
  const Fd client = testing::tcp_connect(lab, "n3", testing::address_of(lab, "n4"), kPort);
  const Fd server = testing::tcp_accept(listener);
  const auto begin = Clock::now();
  const std::jthread sender([&](const std::stop_token& stop) {
    const std::string block(256 << 10, 'x');
    while (!stop.stop_requested()) {
      pollfd waiting{client.get(), POLLOUT, 0};
      if (::poll(&waiting, 1, 10) > 0)
        (void)!::send(client.get(), block.data(), block.size(), MSG_NOSIGNAL);
    }
  });
  double bytes = 0;
  std::string buffer(256 << 10, '\0');
  while (Clock::now() - begin < 400ms) {
    pollfd waiting{server.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 10) <= 0) continue;
    bytes += static_cast<double>(std::max<ssize_t>(0, ::recv(server.get(), buffer.data(), buffer.size(), 0)));
  }
  return bytes / std::chrono::duration<double>(Clock::now() - begin).count();
}

// By turns with the fault and without, each first every other time, so that whatever else the machine
// does meets both.
Row untouched(lab::Lab& lab, lab::Packets& packets) {
  const std::string measure = "throughput of another pair meanwhile";
  const auto from = testing::address_of(lab, "n1"), to = testing::address_of(lab, "n2");
  const Fd target = testing::udp_socket(lab, "n2", kPort);
  const Stream stream(lab, "n1", "n2");
  std::string error;
  const auto with_fault = [&] {
    const auto id = packets.add({{from, to}}, {.delay = 10ms}, kSeed);
    const double result = throughput(lab);
    if (!id || !packets.remove(*id)) error = "the delay could not be put in force";
    return result;
  };
  std::vector<double> with, ratios;
  for (int round = 0; round < 24; ++round) {
    double without = round % 2 == 0 ? throughput(lab) : 0;
    with.push_back(with_fault());
    if (without == 0) without = throughput(lab);
    ratios.push_back(with.back() / without);
  }
  if (!error.empty()) return {measure, error, {}, {}, {}};
  return {measure, fmt::format("{:.2f} GB/s", median(with) / 1e9), "within 5 %", median(ratios),
          "no fault"};
}

}  // namespace

Rows packet() {
  const testing::TempFolder folder;
  lab::LabOptions options;
  options.nodes = 4;
  options.directory = folder.path();
  auto lab = lab::Lab::create(options);
  if (!lab) return {{"packets", lab.error().message, {}, {}, {}}};
  auto packets = (*lab)->packets();
  if (!packets) return {{"packets", packets.error().message, {}, {}, {}}};
  return {exactness(**lab, **packets, "delay of 10 ms +- 2 ms, 1,000 packets/s",
                    {.delay = 10ms, .jitter = 2ms}),
          exactness(**lab, **packets, "delay of 100 ms, 1,000 packets/s", {.delay = 100ms}),
          untouched(**lab, **packets)};
}

}  // namespace gameday::nemesis::bench
