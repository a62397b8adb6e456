#include <fmt/format.h>

#include <fstream>

#include "harness/lab/spawn.h"
#include "harness/lab/test_server.h"
#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {
namespace {

namespace fs = std::filesystem;
namespace testing = lab::testing;
using namespace std::chrono_literals;

class ClockBench {
 public:
  Rows rows() {
    if (auto status = up({.clocks = true}); !status)
      return {{"clocks", status.error().message, {}, {}, {}}};
    Rows result;
    update(result);
    exec(result);
    reading(result);
    waits(result);
    return result;
  }

 private:
  Status up(const lab::Preparation& prepare) {
    lab_.reset();
    lab::LabOptions options;
    options.nodes = 1;
    options.directory = folder_.path();
    options.prepare = prepare;
    auto made = lab::Lab::create(options);
    if (!made) return tl::make_unexpected(made.error());
    lab_ = std::move(*made);
    if (auto status = lab_->start("n1", testing::server_spec()); !status) return status;
    if (!testing::wait_until_ready(*lab_)) return fail("the server does not answer");
    clock_ = prepare.clocks ? *lab_->clock("n1") : nullptr;
    const fs::path copy = lab_->directory("n1") / "clock_probe";
    if (!fs::exists(copy))
      fs::copy_file(testing::own_binary().parent_path() / "../harness/lab/clock_probe", copy);
    probe_ = copy;
    return {};
  }

  std::string run(const std::string& command) {
    return testing::ask("10.77.0.1", "run " + command, 60'000).value_or("");
  }

  // The number that a command prints, on no node.
  static double outside(const std::string& command) {
    double number = 0;
    if (FILE* pipe = ::popen(command.c_str(), "r")) {
      if (std::fscanf(pipe, "%lf", &number) != 1) number = 0;
      ::pclose(pipe);
    }
    return number;
  }

  void update(Rows& rows) {
    const int id = *clock_->add(1s);
    const auto costs = sample(2000, [&] { (void)clock_->change(id, lab::ClockSkew(2s)); });
    (void)clock_->remove(id);
    rows.push_back(
        {"clock update of a running process",
         fmt::format("{:.1f} us, 99 % {:.1f} us", median(costs) / 1e3, percentile(costs, 99) / 1e3),
         "no stop, under 10 us",
         {},
         {}});
  }

  // The whole of a program, from fork to end, in a node whose clocks can be changed and in one
  // where not; the difference is what the exec costs more.
  void exec(Rows& rows) {
    const auto per_program = [&] {
      std::vector<double> costs;
      for (int i = 0; i < 9; ++i)
        costs.push_back(std::atof(run("S=$(date +%s%N); for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 "
                                      "15 16 17 18 19 20; do "
                                      "/bin/true; done; E=$(date +%s%N); echo $(( (E - S) / 20 ))")
                                      .c_str()) /
                        1e6);
      return median(costs);
    };
    const double patched = per_program();
    const Status plain = up({});
    const double unpatched = plain ? per_program() : 0;
    rows.push_back({"first patch of a program, at its exec",
                    fmt::format("{:.2f} ms", patched - unpatched), "under 5 ms",
                    patched / unpatched, "fork and exec without it"});
    (void)up({.clocks = true});
  }

  void reading(Rows& rows) {
    constexpr int kRealtime = 0;
    const auto cost_inside = [&] {
      std::vector<double> costs;
      for (int i = 0; i < 7; ++i)
        costs.push_back(std::atof(run(fmt::format("{} cost {}", probe_, kRealtime)).c_str()));
      return percentile(costs, 0);
    };
    std::vector<double> real;
    for (int i = 0; i < 7; ++i)
      real.push_back(outside(fmt::format("{} cost {}", probe_, kRealtime)));
    const double truth = percentile(real, 0);
    const auto row = [&](const char* what) {
      const double faked = cost_inside();
      rows.push_back({fmt::format("reading a clock {}", what),
                      fmt::format("{:.0f} ns, {:.1f} ns more", faked, faked - truth),
                      "under 20 ns more", faked / truth, "the vDSO's own"});
    };
    row("that is right");
    const int id = *clock_->add(60s);
    row("that is 60 s ahead");
    (void)clock_->remove(id);
  }

  void waits(Rows& rows) {
    const int id = *clock_->add(60s);
    for (const char* how : {"condition", "semaphore", "nanosleep", "mutex", "timerfd"})
      rows.push_back(
          {fmt::format("200 ms by {} at +60 s", how),
           fmt::format("{:.1f} ms", std::atof(run(fmt::format("{} wait {}", probe_, how)).c_str())),
           "200 +- 50 ms",
           {},
           {}});
    java(rows);
    (void)clock_->remove(id);
  }

  void java(Rows& rows) {
    if (lab::find_tool({"javac"}).empty()) {
      rows.push_back({"200 ms by Java's parkUntil at +60 s", "no JDK here", {}, {}, {}});
      return;
    }
    std::ofstream(lab_->directory("n1") / "Probe.java") << R"(
import java.util.concurrent.locks.LockSupport;
public class Probe {
  public static void main(String[] arguments) {
    for (int i = 0; i < 3; i++) {
      long begin = System.nanoTime();
      LockSupport.parkUntil(System.currentTimeMillis() + 200);
      if (i == 2) System.out.println((System.nanoTime() - begin) / 1e6);
    }
  }
})";
    const std::string took =
        run(fmt::format("java {}", (lab_->directory("n1") / "Probe.java").string()));
    rows.push_back({"200 ms by Java's parkUntil at +60 s",
                    fmt::format("{:.1f} ms", std::atof(took.c_str())),
                    "200 +- 50 ms",
                    {},
                    {}});
  }

  testing::TempFolder folder_;
  std::unique_ptr<lab::Lab> lab_;
  lab::ClockControl* clock_ = nullptr;
  std::string probe_;
};

}  // namespace

Rows clock() { return ClockBench().rows(); }

}  // namespace gameday::nemesis::bench
