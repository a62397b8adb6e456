// The product from outside: the real program, in a scratch folder of each test, whose name also marks
// its processes.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "harness/core/json.h"

namespace gameday {

namespace fs = std::filesystem;
using namespace std::chrono_literals;  // NOLINT: a header of tests

inline constexpr uid_t kOrdinaryUser = 1000;

inline fs::path program() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path() / "gameday";
}

struct Outcome {
  int code = -1;  // exit code; -signal when killed
  std::string out, err;
};

// A gameday process whose output goes to files.
class Child {
 public:
  Child(const fs::path& scratch, std::vector<std::string> argv) : base_(scratch / name()) {
    pid_ = ::fork();
    if (pid_ == 0) {
      redirect(base_.string() + ".out", STDOUT_FILENO);
      redirect(base_.string() + ".err", STDERR_FILENO);
      std::vector<char*> args;
      for (auto& arg : argv) args.push_back(arg.data());
      args.push_back(nullptr);
      ::execvp(args[0], args.data());
      ::_exit(127);
    }
  }
  ~Child() {
    if (!waited_) {
      ::kill(pid_, SIGKILL);
      (void)wait();
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  Outcome wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    waited_ = true;
    Outcome o;
    o.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    o.out = read(base_.string() + ".out");
    o.err = read(base_.string() + ".err");
    return o;
  }

 private:
  static std::string name() {
    static int next = 0;
    return "process-" + std::to_string(next++);
  }
  static void redirect(const std::string& path, int fd) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ::dup2(file, fd);
  }
  static std::string read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  fs::path base_;
  pid_t pid_ = -1;
  bool waited_ = false;
};

class EndToEnd : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "gameday-e2e-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    scratch = pattern;
    store = scratch / "store";
    fs::create_directory(store);
  }
  void TearDown() override {
    EXPECT_TRUE(gone_within(2s)) << "something outlived its run";
    std::error_code ignored;
    if (!HasFailure()) fs::remove_all(scratch, ignored);
    else std::cerr << "kept for inspection: " << scratch << "\n";
  }

  std::vector<std::string> run_argv(std::vector<std::string> options) const {
    std::vector<std::string> argv{program().string(), "run", "search", "--store", store.string()};
    argv.insert(argv.end(), options.begin(), options.end());
    return argv;
  }
  Outcome gameday(std::vector<std::string> options) const {
    options.insert(options.begin(), program().string());
    return Child(scratch, options).wait();
  }
  Outcome run(std::vector<std::string> options) const {
    return Child(scratch, run_argv(std::move(options))).wait();
  }
  fs::path latest() const { return fs::canonical(store / "latest"); }
  static Json read_json(const fs::path& file) {
    std::ifstream in(file);
    return Json::parse(in, nullptr, false);
  }
  Json results() const { return read_json(latest() / "results.json"); }

  static std::string verdict_of(const Json& results, const std::string& checker) {
    for (const auto& c : results.at("checkers"))
      if (c.at("checker") == checker) return c.at("verdict");
    return "absent";
  }

  // Processes whose command line or environment names this test's scratch folder.
  std::vector<std::string> marked() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string pid = entry.path().filename();
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      if (std::stoi(pid) == ::getpid()) continue;
      std::ifstream in(entry.path() / "cmdline");
      std::stringstream text;
      text << in.rdbuf();
      if (text.str().find(scratch.string()) != std::string::npos) found.push_back(text.str());
    }
    return found;
  }
  bool gone_within(std::chrono::milliseconds limit) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!marked().empty()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(20ms);
    }
    return true;
  }
  bool wait_for(const fs::path& file, std::chrono::milliseconds limit = 20s) const {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::error_code ignored;
    while (!fs::exists(file, ignored)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }
  void expect_whole_run(const fs::path& folder) const {
    for (const auto& file : {"test.json", "history.jsonl", "faults.jsonl", "results.json",
                             "report.html", "junit.xml", "gameday.log", "nodes/n1/log"})
      EXPECT_TRUE(fs::exists(folder / file)) << file;
  }

  fs::path scratch, store;
};

}  // namespace gameday
