// Clocks of real programs on nodes: C, static C, Python, the JVM, Go.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <ctime>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "harness/lab/clock/blob.h"
#include "harness/lab/clock/deadline.h"
#include "harness/lab/clock/vdso.h"
#include "harness/lab/clock_control.h"
#include "harness/lab/lab.h"
#include "harness/lab/spawn.h"
#include "harness/lab/test_server.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using clock::kSecond;
using std::chrono::nanoseconds;
using std::chrono::system_clock;
using testing::content;
using testing::must;

bool eventually(const std::function<bool()>& condition, std::chrono::seconds timeout = 10s) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

double now() {
  return std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
}

clock::Skew random_skew(std::mt19937_64& random, std::int64_t t) {
  const auto draw = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  clock::Skew skew;
  skew.monotonic = draw(0, 60 * kSecond);
  if (draw(0, 1) == 1) skew.offset = draw(-60 * kSecond, 60 * kSecond);
  if (draw(0, 1) == 1) skew.rate = draw(-(std::int64_t{1} << 31), std::int64_t{1} << 33);
  skew.since = t - draw(0, kSecond);
  skew.strobes = static_cast<std::uint64_t>(draw(0, 3));
  for (auto& strobe : skew.strobe)
    strobe = {t - draw(0, kSecond), draw(kSecond / 100, kSecond), draw(-kSecond, kSecond)};
  if (draw(0, 3) == 0) skew.still = t + draw(-kSecond, kSecond);
  return skew;
}

TEST(ClockPage, DeadlinesAreTheFirstMomentThatTheClockShows) {
  std::mt19937_64 random(1);
  int never = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t t = 1'800'000'000 * kSecond + static_cast<std::int64_t>(random() % kSecond);
    const clock::Skew skew = random_skew(random, t);
    const std::int64_t shown =
        clock::wall(skew, t) + static_cast<std::int64_t>(random() % (3 * kSecond));
    const std::int64_t deadline = clock::true_wall(skew, shown, t);
    if (deadline == clock::kFar) {
      ++never;
      EXPECT_LT(clock::wall(skew, t + 1000 * kSecond), shown);
      continue;
    }
    ASSERT_GE(clock::wall(skew, std::max(deadline, t)), shown) << i;
    // Not before, but for the rounding of a rate.
    if (deadline > t) {
      ASSERT_LT(clock::wall(skew, deadline - 2), shown) << i;
    }
  }
  EXPECT_GT(never, 100);
  EXPECT_LT(never, 10'000);
}

TEST(ClockPage, AVdsoIsReadAsALoaderDoes) {
  const auto* base = reinterpret_cast<const std::byte*>(::getauxval(AT_SYSINFO_EHDR));
  if (!base) GTEST_SKIP() << "this process has no vDSO";
  const std::size_t size = clock::vdso_size({base, 4096});
  ASSERT_GT(size, 1000U);
  std::vector<std::byte> image(base, base + size);
  const auto vdso = must(clock::parse_vdso(image));
  ASSERT_TRUE(vdso.find("clock_gettime"));
  EXPECT_NE(vdso.system_call, 0U);
  EXPECT_FALSE(vdso.find("read_my_mind"));
  // It is what the loader has found, too: the function works.
  using Function = int (*)(clockid_t, timespec*);
  timespec t{};
  EXPECT_EQ(
      reinterpret_cast<Function>(base + vdso.find("clock_gettime")->value)(CLOCK_REALTIME, &t), 0);
  EXPECT_NEAR(static_cast<double>(t.tv_sec), now(), 2);
  // Damaged ones are refused or read in part, never read beyond their end.
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    auto damaged = image;
    damaged.resize(random() % size);
    for (int flips = 0; flips < 8 && !damaged.empty(); ++flips)
      damaged[random() % std::min<std::size_t>(damaged.size(), 1024)] =
          static_cast<std::byte>(random());
    (void)clock::parse_vdso(damaged);
  }
  EXPECT_FALSE(clock::parse_vdso({}));
}

class ClockTest : public ::testing::Test {
 protected:
  void up(int nodes = 1, bool preload = false) {
    LabOptions options;
    options.nodes = nodes;
    options.directory = folder.path();
    options.prepare.clocks = true;
    options.preload_clocks = preload;
    lab = must(Lab::create(options));
    for (const auto& node : lab->nodes()) must(lab->start(node.name, testing::server_spec()));
    ASSERT_TRUE(testing::wait_until_ready(*lab));
    clock = must(lab->clock("n1"));
    address = must(lab->node("n1")).address;
  }
  // Output of a command on n1.
  std::string run(const std::string& command, std::chrono::milliseconds timeout = 20s) {
    return testing::ask(address, "run " + command, static_cast<int>(timeout.count()))
        .value_or("(nothing)");
  }
  // The probe next to this program, copied to where nodes see it.
  std::string probe(const std::string& name = "clock_probe") {
    const fs::path copy = folder.path() / "nodes" / "n1" / name;
    if (!fs::exists(copy)) fs::copy_file(testing::own_binary().parent_path() / name, copy);
    return copy;
  }
  // n1 runs this and nothing else, from now on.
  void serve(std::vector<std::string> argv) {
    must(lab->kill("n1"));
    fs::remove(log());
    must(lab->start("n1", {std::move(argv), {}}));
  }
  fs::path log() const { return lab->directory("n1") / "log"; }
  // The last line of n1's log that has at least so many words, as numbers.
  std::vector<double> last_numbers(std::size_t words) const {
    std::vector<double> last;
    std::istringstream lines(content(log()));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream in(line);
      std::vector<double> numbers;
      for (double number; in >> number;) numbers.push_back(number);
      if (numbers.size() >= words && !lines.eof()) last = numbers;
    }
    return last;
  }
  // Whether the first number of n1's log, in ns, comes to be so many seconds off the truth.
  bool comes_to_show(double offset) {
    return eventually([&] {
      const auto numbers = last_numbers(1);
      return !numbers.empty() && std::abs(numbers[0] / 1e9 - now() - offset) < 0.5;
    });
  }
  // "<name> <time>" a line, each so many seconds off the truth; and how many there are.
  std::size_t all_off_by(double offset, const std::string& output) {
    std::istringstream in(output);
    std::size_t count = 0;
    std::string name;
    for (double time = 0; in >> name >> time; ++count)
      EXPECT_NEAR(time - now(), offset, 2) << name << " in:\n" << output;
    return count;
  }
  // A wait of the probe's: how long it took in ms, -1 if it did not end as it should.
  double wait(const std::string& how, const std::string& length = "200") {
    std::istringstream in(run(fmt::format("{} wait {} {}", probe(), how, length)));
    double ms = -1;
    std::string result;
    in >> ms >> result;
    return result == "timeout" ? ms : -1;
  }

  testing::TempFolder folder;
  std::unique_ptr<Lab> lab;
  ClockControl* clock = nullptr;
  std::string address;
};

TEST_F(ClockTest, EveryWayToAskForTheTime) {
  up();
  EXPECT_EQ(clock->mechanism(), "vDSO page");
  for (const char* name : {"clock_probe", "clock_probe_static"}) {
    EXPECT_GE(all_off_by(0, run(probe(name) + " read")), 6U);
    const int id = must(clock->add(3600s));
    EXPECT_GE(all_off_by(3600, run(probe(name) + " read")), 6U);
    must(clock->remove(id));
    EXPECT_GE(all_off_by(0, run(probe(name) + " read")), 6U);
  }
  EXPECT_EQ(clock->followed().missed, 0);
  EXPECT_EQ(clock->followed().by_kernel, 0);
  EXPECT_GE(clock->followed().programs, 6);
}

TEST_F(ClockTest, ChildrenThreadsAndExecs) {
  up();
  must(clock->add(-3600s));
  EXPECT_GE(all_off_by(-3600, run(probe() + " family")), 9U);
  EXPECT_GE(all_off_by(-3600, run(probe("clock_probe_static") + " family")), 9U);
  const fs::path script = folder.path() / "nodes" / "n1" / "script";
  std::ofstream(script) << "#!" << probe() << " family\n";
  fs::permissions(script, fs::perms::owner_all);
  EXPECT_GE(all_off_by(-3600, run(script)), 9U);
  // In a user namespace there is nobody else to become.
  const bool others = content("/proc/self/uid_map").find(" 4294967295") != std::string::npos;
  if (const std::string setpriv = find_tool({"setpriv"}); others && !setpriv.empty()) {
    fs::permissions(folder.path(), fs::perms(0755));
    EXPECT_GE(
        all_off_by(-3600, run(setpriv + " --reuid 65534 --clear-groups " + probe() + " read")), 6U)
        << "for a server that has dropped its privileges";
  }
  EXPECT_EQ(clock->followed().missed, 0);
}

// No descriptor is free for the page, so nothing can be mapped: the program falls back to system
// calls.
TEST_F(ClockTest, AProgramWithoutAVdsoIsAnswered) {
  up();
  must(clock->add(3600s));
  EXPECT_GE(all_off_by(3600, run("ulimit -n 3; exec " + probe("clock_probe_static") + " read")),
            6U);
  EXPECT_EQ(clock->followed().by_kernel, 1);
  EXPECT_GE(clock->followed().readings, 4);
}

TEST_F(ClockTest, ARunningProgramSeesEveryChangeAtOnce) {
  up();
  serve({probe("clock_probe_static"), "log"});
  ASSERT_TRUE(comes_to_show(0));
  const int first = must(clock->add(60s));
  EXPECT_TRUE(comes_to_show(60));
  const int second = must(clock->add(-3600s));
  EXPECT_TRUE(comes_to_show(-3540));
  must(clock->change(first, ClockSkew(100s)));
  EXPECT_TRUE(comes_to_show(-3500));
  must(clock->remove(first));
  must(clock->remove(second));
  EXPECT_TRUE(clock->is_true());
  EXPECT_EQ(clock->offset(), 0ns);
  EXPECT_TRUE(comes_to_show(0));
}

TEST_F(ClockTest, DriftsGoOnFromWhereTheClockIs) {
  up();
  serve({probe(), "log"});
  ClockSkew fast;
  fast.rate = 9;
  const int id = must(clock->add(fast));
  EXPECT_LT(std::abs(clock->offset().count()), kSecond);
  ASSERT_TRUE(eventually([&] { return clock->offset() > 3s; }));
  EXPECT_FALSE(last_numbers(2).empty());
  fast.rate = 0;  // holds what it has gained
  must(clock->change(id, fast));
  const auto held = clock->offset();
  EXPECT_GT(held, 3s);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(clock->offset(), held);
  EXPECT_TRUE(comes_to_show(std::chrono::duration<double>(held).count()));
  ClockSkew slow;
  slow.rate = -0.5;
  const int other = must(clock->add(slow));
  ASSERT_TRUE(eventually([&] { return clock->offset() < held - 20ms; }));
  must(clock->remove(other));
  EXPECT_EQ(clock->offset(), held);
  must(clock->remove(id));
  EXPECT_TRUE(comes_to_show(0));
  slow.rate = -1.5;
  EXPECT_FALSE(clock->add(slow));
}

TEST_F(ClockTest, AClockStandsStill) {
  up();
  serve({probe(), "log"});
  ASSERT_TRUE(comes_to_show(0));
  ClockSkew still;
  still.still = true;
  const int id = must(clock->add(still));
  std::this_thread::sleep_for(50ms);
  const auto first = last_numbers(2);
  ASSERT_TRUE(eventually([&] { return last_numbers(2)[1] > first[1] + 0.3e9; }));
  EXPECT_EQ(last_numbers(2)[0], first[0]);  // to the ns, while the monotonic clock went on
  const int bump = must(clock->add(60s));
  ASSERT_TRUE(eventually([&] { return last_numbers(2)[0] == first[0] + 60e9; }));
  must(clock->remove(id));
  EXPECT_TRUE(comes_to_show(60));
  must(clock->remove(bump));
  EXPECT_TRUE(comes_to_show(0));
}

TEST_F(ClockTest, AStrobeIsThereByTurns) {
  up();
  serve({probe(), "log"});
  ASSERT_TRUE(comes_to_show(0));
  ClockSkew strobe(100s);
  strobe.period = 100ms;
  const int id = must(clock->add(strobe));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(comes_to_show(100));
    EXPECT_TRUE(comes_to_show(0));
  }
  must(clock->remove(id));
  std::this_thread::sleep_for(20ms);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(comes_to_show(0));
    std::this_thread::sleep_for(10ms);
  }
}

TEST_F(ClockTest, MonotonicClocksLeapAndNeverGoBack) {
  up();
  const auto monotonic = [&] { return testing::clock_offset(address, "mono"); };
  EXPECT_NEAR(monotonic(), 0, 0.05);
  ClockSkew leap;
  leap.monotonic = 60s;
  const int id = must(clock->add(leap));
  EXPECT_NEAR(monotonic(), 60, 0.05);
  EXPECT_NEAR(testing::clock_offset(address, "time"), 0, 0.05);
  must(clock->remove(id));
  EXPECT_NEAR(monotonic(), 60, 0.05);
  EXPECT_EQ(clock->monotonic_offset(), 60s);
  must(lab->kill("n1"));
  must(lab->restart("n1"));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_NEAR(monotonic(), 0, 0.05);
  leap.monotonic = -1s;
  EXPECT_FALSE(clock->add(leap));
}

constexpr const char* kWaits[]{"condition",
                               "semaphore",
                               "mutex",
                               "pi-mutex",
                               "nanosleep",
                               "timerfd",
                               "timer",
                               "mq-send",
                               "mq-receive",
                               "monotonic-condition",
                               "monotonic-nanosleep"};

TEST_F(ClockTest, WaitsLastAsLongAsTheyShould) {
  up();
  for (const int offset : {60, -60}) {
    ClockSkew skew{std::chrono::seconds(offset)};
    skew.monotonic = 100s;
    const int id = must(clock->add(skew));
    for (const char* how : kWaits) {
      const double took = wait(how);
      fmt::print("  {:+} s: {} for 200 ms took {} ms\n", offset, how, took);
      EXPECT_GE(took, 199) << how << " at " << offset;
      EXPECT_LT(took, 5000) << how << " at " << offset;
    }
    must(clock->remove(id));
  }
  EXPECT_GE(clock->followed().waits, 22);
}

TEST_F(ClockTest, WaitsFollowTheClock) {
  up();
  ClockSkew fast;
  fast.rate = 99;
  const int id = must(clock->add(fast));
  for (const char* how : {"condition", "semaphore", "mutex", "nanosleep"}) {
    const double took = wait(how, "60000");  // a hundred times faster
    EXPECT_GE(took, 599) << how;
    EXPECT_LT(took, 20'000) << how;
  }
  must(clock->remove(id));
  // A clock that is set while somebody waits; from the truth, and from wrong to wrong.
  for (const bool wrong_before : {false, true})
    for (const char* how : {"condition", "semaphore", "mutex", "nanosleep"}) {
      std::vector<int> set{must(clock->add(wrong_before ? 5s : 0s))};
      // Again and again: on a busy machine the program may begin to wait late.
      std::jthread later([&](const std::stop_token& stop) {
        while (std::this_thread::sleep_for(300ms), !stop.stop_requested())
          set.push_back(must(clock->add(3600s)));
      });
      const double took = wait(how, "3600000");
      later.request_stop();
      later.join();
      EXPECT_GE(took, 10) << how;
      EXPECT_LT(took, 20'000) << how;
      for (const int one : set) must(clock->remove(one));
    }
}

TEST_F(ClockTest, AWaitingNodeCanBePausedAndKilled) {
  up();
  must(clock->add(60s));
  serve({"/bin/sh", "-c",
         fmt::format("for i in 1 2 3 4; do {} wait condition 3600000 & done; {} log", probe(),
                     probe())});
  ASSERT_TRUE(eventually([&] { return clock->followed().waits >= 4; }));
  const Pause pause = must(lab->pause("n1"));
  EXPECT_GE(pause.processes.size(), 5U);
  const auto id = must(clock->add(5s));
  EXPECT_TRUE(must(lab->resume(pause)));
  must(clock->remove(id));
  EXPECT_TRUE(comes_to_show(60));
  for (int i = 0; i < 10; ++i) {
    must(lab->kill("n1"));
    must(lab->restart("n1"));
    if (i % 3 == 0) std::this_thread::sleep_for(10ms);
  }
  EXPECT_TRUE(comes_to_show(60));
}

// The interpreter of the system, if there is one.
TEST_F(ClockTest, Python) {
  if (!fs::exists("/usr/bin/python3")) GTEST_SKIP() << "needs python3 (apt install python3)";
  up();
  must(clock->add(60s));
  serve({"/usr/bin/python3", "-u", "-c",
         "import time\nwhile True:\n  print(time.time_ns())\n  time.sleep(0.02)\n"});
  EXPECT_TRUE(comes_to_show(60));
  must(clock->add(-3600s));
  EXPECT_TRUE(comes_to_show(-3540));
}

constexpr const char* kJava = R"(
import java.util.concurrent.locks.LockSupport;
public class Probe {
  public static void main(String[] arguments) throws Exception {
    long begin = System.nanoTime();
    LockSupport.parkUntil(System.currentTimeMillis() + 200);
    System.out.println("parked " + (System.nanoTime() - begin) / 1000000);
    Thread late = new Thread(() -> {
      for (;;) {
        System.out.println(System.currentTimeMillis() * 1000000);
        LockSupport.parkNanos(20000000);
      }
    });
    late.start();
    late.join();
  }
}
)";

TEST_F(ClockTest, Java) {
  const std::string java = find_tool({"java"});
  if (java.empty() || find_tool({"javac"}).empty())
    GTEST_SKIP() << "needs a JDK (apt install default-jdk-headless)";
  up();
  const fs::path source = lab->directory("n1") / "Probe.java";
  std::ofstream(source) << kJava;
  must(clock->add(60s));
  serve({java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", source});
  ASSERT_TRUE(eventually([&] { return content(log()).find("parked") != std::string::npos; }, 60s))
      << content(log());
  const std::string text = content(log());
  const double parked = std::atof(text.c_str() + text.find("parked") + 7);
  fmt::print("  parkUntil for 200 ms at +60 s took {} ms\n", parked);
  EXPECT_GE(parked, 190);
  EXPECT_LT(parked, 5000);
  EXPECT_TRUE(comes_to_show(60));
  must(clock->add(-3600s));
  EXPECT_TRUE(comes_to_show(-3540));
}

// The time that an HTTP server says it is, in s.
double date_of(const std::string& address, std::uint16_t port) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
  const std::string_view request = "GET /version HTTP/1.0\r\n\r\n";
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
      ::write(socket.get(), request.data(), request.size()) < 0)
    return 0;
  std::string answer(4096, '\0');
  const ssize_t n = ::recv(socket.get(), answer.data(), answer.size(), 0);
  answer.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  const std::size_t at = answer.find("Date: ");
  std::tm date{};
  if (at == std::string::npos || !::strptime(answer.c_str() + at + 6, "%a, %d %b %Y %T GMT", &date))
    return 0;
  return static_cast<double>(::timegm(&date));
}

TEST_F(ClockTest, Go) {
  const std::string etcd = find_tool({"etcd"});
  if (etcd.empty()) GTEST_SKIP() << "needs etcd (apt install etcd-server)";
  up();
  must(clock->add(3600s));
  serve({etcd, "--data-dir", lab->directory("n1") / "data" / "etcd", "--listen-client-urls",
         "http://0.0.0.0:2379", "--advertise-client-urls", "http://" + address + ":2379"});
  const auto off_by = [&](double offset) {
    return eventually([&] { return std::abs(date_of(address, 2379) - now() - offset) < 2.5; }, 30s);
  };
  EXPECT_TRUE(off_by(3600)) << content(log());
  must(clock->add(-7200s));
  EXPECT_TRUE(off_by(-3600));
}

TEST_F(ClockTest, LibfaketimeWhereNothingElseIsPossible) {
  if (find_libfaketime().empty()) GTEST_SKIP() << "needs libfaketime (apt install libfaketime)";
  up(1, true);
  EXPECT_EQ(clock->mechanism(), "libfaketime");
  const int id = must(clock->add(60s));
  EXPECT_NEAR(testing::clock_offset(address, "time"), 60, 0.1);
  must(clock->remove(id));
  ClockSkew strobe(100s);
  strobe.period = 50ms;
  const int strobing = must(clock->add(strobe));
  for (const double offset : {100, 0, 100})
    EXPECT_TRUE(
        eventually([&] { return std::abs(testing::clock_offset(address, "time") - offset) < 1; }));
  must(clock->remove(strobing));
  EXPECT_NEAR(testing::clock_offset(address, "time"), 0, 0.1);
  ClockSkew drift;
  drift.rate = 0.1;
  const auto refused = clock->add(drift);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("libfaketime"), std::string::npos);
  EXPECT_TRUE(clock->is_true());
}

TEST(Clocks, SayWhetherTheyAreAvailable) {
  const Status available = clocks_available();
  EXPECT_TRUE(available) << available.error().message;
}

}  // namespace
}  // namespace gameday::lab

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
