// Three real searchd processes on loopback: writes, reads, kills, restarts.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "harness/core/json.h"
#include "sut/http/http_client.h"

namespace gameday::search {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct Answer {
  int status = 0;  // 0: none came
  Json body;
};

std::uint16_t free_port() {
  const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(probe, generic, size), 0);
  EXPECT_EQ(::getsockname(probe, generic, &size), 0);
  ::close(probe);
  return ntohs(address.sin_port);
}

class SearchdTest : public ::testing::Test {
 protected:
  static constexpr std::size_t nodes = 3;

  void SetUp() override {
    std::string name = "/tmp/searchd_test.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    for (std::size_t i = 0; i < nodes; ++i) {
      http_[i] = free_port();
      peers_ += fmt::format("{}{}=127.0.0.1:{}", i == 0 ? "" : ",", i + 1, free_port());
    }
  }

  void TearDown() override {
    for (std::size_t i = 0; i < nodes; ++i) stop(i, SIGKILL);
    if (HasFailure()) {
      for (std::size_t i = 0; i < nodes; ++i) {
        (void)std::system(fmt::format("tail -n 30 {}/log{} >&2", directory_.string(), i).c_str());
      }
    }
    std::filesystem::remove_all(directory_);
  }

  void start(std::size_t i, const std::vector<std::string>& more = {}) {
    const std::string searchd =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "searchd";
    std::vector<std::string> argv{searchd,
                                  "--id",
                                  std::to_string(i + 1),
                                  "--listen",
                                  fmt::format("127.0.0.1:{}", http_[i]),
                                  "--peers",
                                  peers_,
                                  "--data",
                                  (directory_ / std::to_string(i)).string()};
    argv.insert(argv.end(), more.begin(), more.end());
    std::vector<char*> raw;
    for (std::string& argument : argv) raw.push_back(argument.data());
    raw.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const std::string log = directory_ / fmt::format("log{}", i);
    posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ASSERT_EQ(::posix_spawn(&pids_[i], searchd.c_str(), &actions, nullptr, raw.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }

  void start_all(const std::vector<std::string>& more = {}) {
    for (std::size_t i = 0; i < nodes; ++i) start(i, more);
    ASSERT_LT(leader(), nodes);
  }

  // The wait status; -1 when it did not run.
  int stop(std::size_t i, int signal) {
    if (pids_[i] <= 0) return -1;
    int status = 0;
    ::kill(pids_[i], signal);
    ::waitpid(pids_[i], &status, 0);
    pids_[i] = -1;
    return status;
  }

  Answer call(std::size_t i, std::string_view method, const std::string& target,
              const std::string& body = {}, const std::string& key = {},
              std::chrono::milliseconds timeout = 5000ms) {
    http::Client client("127.0.0.1", http_[i]);
    http::ClientRequest request{.method = method, .target = target, .body = body, .headers = {}};
    request.headers.emplace_back("X-Timeout-Ms", std::to_string(timeout.count()));
    if (!key.empty()) request.headers.emplace_back("X-Idempotency-Key", key);
    const auto response = client.call(request, Clock::now() + timeout + 1s);
    if (!response) return {};
    return {response->status, Json::parse(response->body)};
  }

  // The node that all nodes which run agree on.
  std::size_t leader() {
    for (const auto give_up = Clock::now() + 10s; Clock::now() < give_up;
         std::this_thread::sleep_for(10ms)) {
      std::set<std::int64_t> leaders;
      for (std::size_t i = 0; i < nodes; ++i) {
        if (pids_[i] <= 0) continue;
        const Answer answer = call(i, "GET", "/1/status");
        leaders.insert(answer.status == 200 ? answer.body["leader"].get<std::int64_t>() : 0);
      }
      if (leaders.size() != 1 || *leaders.begin() == 0) continue;
      const auto found = static_cast<std::size_t>(*leaders.begin() - 1);
      if (pids_[found] > 0) return found;
    }
    ADD_FAILURE() << "no leader";
    return nodes;
  }

  void expect_all_equal() {
    std::set<std::string> states, jobs;
    for (const auto give_up = Clock::now() + 10s; Clock::now() < give_up;
         std::this_thread::sleep_for(10ms)) {
      states.clear();
      jobs.clear();
      for (std::size_t i = 0; i < nodes; ++i) {
        const Json status = call(i, "GET", "/1/status").body;
        states.insert(fmt::format("{} {} {}", status["last"].dump(), status["applied"].dump(),
                                  status["hash"].dump()));
        jobs.insert(call(i, "GET", "/1/jobs").body.dump());
      }
      // The jobs too: what a node appended late may be applied between the two questions.
      if (states.size() == 1 && jobs.size() == 1) break;
    }
    EXPECT_EQ(states.size(), 1u);
    EXPECT_EQ(jobs.size(), 1u) << fmt::format("{}", fmt::join(jobs, "\n"));
  }

  std::filesystem::path directory_;
  std::array<std::uint16_t, nodes> http_{};
  std::string peers_;
  std::array<pid_t, nodes> pids_{-1, -1, -1};
};

std::string object(int i) { return fmt::format("/1/indexes/docs/d{}", i); }

TEST_F(SearchdTest, AnyNodeTakesWritesAndStrongReadsSeeThem) {
  start_all();
  for (int i = 0; i < 30; ++i) {
    const auto writer = static_cast<std::size_t>(i) % nodes;
    const Answer put = call(writer, "PUT", object(i), fmt::format(R"({{"v":{}}})", i));
    ASSERT_EQ(put.status, 200) << put.body;
    EXPECT_EQ(put.body["taskID"], i + 1);
    const Answer read = call((writer + 1) % nodes, "GET", object(i) + "?consistency=strong");
    ASSERT_EQ(read.status, 200) << read.body;
    EXPECT_EQ(read.body["v"], i);
  }
  EXPECT_EQ(call(0, "GET", object(99) + "?consistency=strong").status, 404);
  expect_all_equal();
  const Answer page = call(2, "GET", "/1/indexes/docs?limit=20&from=d0");
  EXPECT_EQ(page.body["hits"].size(), 20u);
  EXPECT_EQ(page.body["nbHits"], 30);
  const std::string next = page.body["next"];
  EXPECT_EQ(call(2, "GET", "/1/indexes/docs?from=" + next).body["hits"].size(), 10u);
}

TEST_F(SearchdTest, RetriesConditionsBatchesAndSearches) {
  start_all();
  const std::string increment = R"({"n":{"_operation":"Increment","value":1}})";
  for (std::size_t i = 0; i < nodes; ++i) {
    EXPECT_EQ(call(i, "POST", object(1) + "/partial", increment, "same key").body["taskID"], 1);
  }
  EXPECT_EQ(call(1, "GET", object(1) + "?consistency=strong").body["n"], 1);
  const std::string conditional = object(1) + "?ifAttribute=n&ifEquals=1";
  EXPECT_EQ(call(0, "PUT", conditional, R"({"n":7})").status, 200);
  const Answer refused = call(2, "PUT", conditional, R"({"n":8})");
  EXPECT_EQ(refused.status, 412);
  EXPECT_EQ(refused.body["mayHaveHappened"], false);
  EXPECT_EQ(call(0, "DELETE", conditional).status, 400);  // not an unconditional one

  const Answer batch = call(2, "POST", "/1/indexes/films/batch", R"({"requests":[
      {"action":"put","objectID":"a","body":{"title":"The Matrix"}},
      {"action":"put","objectID":"b","body":{"title":"The Mummy"},"key":"b1"},
      {"action":"delete","objectID":"a"}]})");
  EXPECT_EQ(batch.body["taskIDs"], (Json{4, 5, 6})) << batch.body;
  for (std::size_t i = 0; i < nodes; ++i) {
    while (call(i, "GET", "/1/indexes/films/task/6").body["status"] != "published") {
      std::this_thread::sleep_for(5ms);
    }
    const Answer hits = call(i, "POST", "/1/indexes/films/query", R"({"query":"the m"})");
    EXPECT_EQ(hits.body["nbHits"], 1) << hits.body;
  }
  EXPECT_EQ(call(0, "POST", "/1/indexes/films/operation",
                 R"({"operation":"move","destination":"movies"})")
                .status,
            200);
  EXPECT_EQ(call(0, "GET", "/1/indexes/movies/b?consistency=strong").status, 200);
  EXPECT_EQ(call(0, "GET", "/1/indexes/films/b?consistency=strong").status, 404);

  EXPECT_EQ(call(0, "PUT", object(1), "{nonsense").status, 400);
  EXPECT_EQ(call(0, "PUT", "/1/indexes/%zz/x", "{}").status, 400);
  EXPECT_EQ(call(0, "GET", "/2/status").status, 404);
  expect_all_equal();
}

TEST_F(SearchdTest, RefusesAMemberOfAWrongTypeByName) {
  start_all();
  struct Case {
    const char* action;
    const char* body;  // for a batch: one of its requests
    const char* member;
  };
  const std::vector<Case> cases{
      {"batch", R"({"action":"put","objectID":"a","body":{},"key":5})", "key is not a string"},
      {"batch", R"({"action":"clear","key":null})", "key is not a string"},
      {"batch", R"({"action":"put","objectID":5,"body":{}})", "objectID is not a string"},
      {"batch", R"({"action":"clear","objectID":["a"]})", "objectID is not a string"},
      {"batch", R"({"action":"put","objectID":"a","body":"{}"})", "body is not"},
      {"batch", R"({"action":"delete","objectID":"a","body":null})", "body is not"},
      {"batch", R"({"action":1,"objectID":"a"})", "action"},
      {"operation", R"({"operation":1,"destination":"b"})", "operation is"},
      {"operation", R"({"operation":"copy","destination":1})", "destination is not a string"},
      {"query", R"({"query":null})", "query is not a string"},
      {"query", R"({"hitsPerPage":"20"})", "hitsPerPage is not a count"},
      {"query", R"({"page":-1})", "page is not a count"},
      {"query", R"({"filters":[5]})", "filter is a string"}};
  for (const auto& [action, body, member] : cases) {
    const bool batch = std::string_view(action) == "batch";
    const std::string sent = batch ? fmt::format(R"({{"requests":[{}]}})", body) : body;
    const Answer answer = call(0, "POST", std::string("/1/indexes/docs/") + action, sent);
    EXPECT_EQ(answer.status, 400) << body;
    const std::string message = answer.body.value("message", "");
    EXPECT_NE(message.find(member), std::string::npos) << body << ": " << message;
  }
  EXPECT_EQ(call(0, "GET", "/1/status").body["last"], 0);
}

TEST_F(SearchdTest, KilledLeadersLoseNothing) {
  start_all();
  std::map<int, std::int64_t> acknowledged;
  int next = 0;
  for (int round = 0; round < 3; ++round) {
    const std::size_t killed = leader();
    ASSERT_LT(killed, nodes);
    std::jthread killer([&] {
      std::this_thread::sleep_for(150ms);
      stop(killed, SIGKILL);
    });
    for (const auto end = Clock::now() + 1s; Clock::now() < end; ++next) {
      const std::size_t node = (killed + 1 + static_cast<std::size_t>(next) % 2) % nodes;
      const std::string body = fmt::format(R"({{"v":{}}})", next);
      const Answer put = call(node, "PUT", object(next), body, fmt::format("k{}", next));
      if (put.status == 200) acknowledged[next] = put.body["taskID"];
    }
    killer.join();
    EXPECT_NE(leader(), killed);
    start(killed);
  }
  leader();
  EXPECT_GT(acknowledged.size(), 100u);
  expect_all_equal();
  for (const auto& [i, task] : acknowledged) {
    ASSERT_EQ(call(static_cast<std::size_t>(i) % nodes, "GET", object(i)).status, 200) << i;
  }
  const Json jobs = call(0, "GET", "/1/jobs").body["jobs"];
  for (const auto& [i, task] : acknowledged) {
    EXPECT_EQ(jobs[static_cast<std::size_t>(task - 1)][2], fmt::format("k{}", i));
  }
}

TEST_F(SearchdTest, OneOfThreeReadsAndRefusesWrites) {
  start_all();
  ASSERT_EQ(call(0, "PUT", object(1), R"({"w":"word"})").status, 200);
  expect_all_equal();
  const std::size_t survivor = (leader() + 1) % nodes;
  for (std::size_t i = 0; i < nodes; ++i) {
    if (i != survivor) stop(i, SIGKILL);
  }
  std::this_thread::sleep_for(500ms);
  const Answer write = call(survivor, "PUT", object(2), "{}", {}, 300ms);
  EXPECT_EQ(write.status, 503) << write.body;
  EXPECT_EQ(write.body["mayHaveHappened"], false);
  EXPECT_EQ(call(survivor, "GET", object(1)).status, 200);
  EXPECT_EQ(call(survivor, "POST", "/1/indexes/docs/query", R"({"query":"wor"})").body["nbHits"],
            1);
  EXPECT_EQ(call(survivor, "GET", object(1) + "?consistency=strong", {}, {}, 300ms).status, 503);
  const Json status = call(survivor, "GET", "/1/status").body;
  EXPECT_EQ(status["leader"], 0);
  EXPECT_GT(status["clock"], 0);
}

TEST_F(SearchdTest, StopsCleanlyAndSoonAndComesBack) {
  start_all();
  ASSERT_EQ(call(1, "PUT", object(1), R"({"v":1})").status, 200);
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto begin = Clock::now();
    const int status = stop(i, SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    EXPECT_LT(Clock::now() - begin, 1s);  // 200 ms on an idle machine
  }
  start_all();
  EXPECT_EQ(call(2, "GET", object(1) + "?consistency=strong").body["v"], 1);
  expect_all_equal();
}

TEST_F(SearchdTest, RetryAppliedTwiceIsSeen) {
  start_all({"--bug", "retry-applied-twice"});
  const std::string increment = R"({"n":{"_operation":"Increment","value":1}})";
  for (std::size_t i = 0; i < 2; ++i) call(i, "POST", object(1) + "/partial", increment, "key");
  EXPECT_EQ(call(0, "GET", object(1) + "?consistency=strong").body["n"], 2);
  EXPECT_EQ(call(0, "GET", "/1/status").body["bugs"], Json{"retry-applied-twice"});
}

// A retry at the node that was asked first is known there; one at another node is not.
TEST_F(SearchdTest, ADedupTablePerHostIsSeenByARetryElsewhere) {
  start_all({"--bug", "dedup-table-per-host"});
  const std::string increment = R"({"n":{"_operation":"Increment","value":1}})";
  const auto value = [&] { return call(0, "GET", object(1) + "?consistency=strong").body["n"]; };
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(call(1, "POST", object(1) + "/partial", increment, "key").body["taskID"], 1);
  EXPECT_EQ(value(), 1);
  EXPECT_EQ(call(2, "POST", object(1) + "/partial", increment, "key").body["taskID"], 2);
  EXPECT_EQ(value(), 2);
}

TEST_F(SearchdTest, AWriteThatComesTooLateIsRefusedForGood) {
  start_all();
  const auto put = [&](std::size_t node, const std::string& expires, const std::string& key) {
    http::Client client("127.0.0.1", http_[node]);
    const auto answer = client.call({"PUT", object(1), R"({"v":1})",
                                     {{"X-Expires-At", expires}, {"X-Idempotency-Key", key}}},
                                    Clock::now() + 5s);
    return answer ? answer->status : 0;
  };
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  EXPECT_EQ(put(0, std::to_string(ms - 5'000), "late"), 412);
  EXPECT_EQ(put(1, std::to_string(ms + 60'000), "late"), 412) << "the same write, asked again";
  EXPECT_EQ(call(0, "GET", object(1) + "?consistency=strong").status, 404);
  EXPECT_EQ(put(1, std::to_string(ms + 60'000), "in time"), 200);
  EXPECT_EQ(put(1, "soon", "never"), 400);
  EXPECT_EQ(call(0, "GET", object(1) + "?consistency=strong").status, 200);
  expect_all_equal();
}

// Nobody may stand in for a log that was durable: the node says so and does not start, and the
// others go on.
TEST_F(SearchdTest, ANodeWhoseLogIsDamagedRefusesToStart) {
  start_all();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(call(0, "PUT", object(i), "{}").status, 200);
  expect_all_equal();
  stop(2, SIGKILL);
  const std::filesystem::path log = directory_ / "2" / "raft.log";
  const auto size = static_cast<off_t>(std::filesystem::file_size(log));
  const int file = ::open(log.c_str(), O_RDWR | O_CLOEXEC);
  char byte = 0;
  ASSERT_EQ(::pread(file, &byte, 1, size - 5), 1);
  byte = static_cast<char>(byte ^ 1);
  ASSERT_EQ(::pwrite(file, &byte, 1, size - 5), 1);
  ::close(file);
  start(2);
  int status = 0;
  ASSERT_EQ(::waitpid(pids_[2], &status, 0), pids_[2]);
  pids_[2] = -1;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
  EXPECT_LT(leader(), 2U);
  EXPECT_EQ(call(0, "PUT", object(7), "{}").status, 200);
}

}  // namespace
}  // namespace gameday::search
