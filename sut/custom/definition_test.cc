#include "sut/custom/definition.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "sut/custom/answers.h"

namespace gameday::custom {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class Custom : public ::testing::Test {
 protected:
  Custom() {
    char name[] = "/tmp/gameday-custom-XXXXXX";
    folder = ::mkdtemp(name);
  }
  ~Custom() override { fs::remove_all(folder); }
  fs::path write(const std::string& text) {
    std::ofstream(folder / "mine.json") << text;
    return folder / "mine.json";
  }
  // What is said of a file that is as it should be but for this.
  std::string said(const Json& patch) {
    Json json = Json::parse(kGood);
    json.merge_patch(patch);
    const auto kind = kind_of(write(json.dump()));
    return kind ? "" : kind.error().message;
  }
  Completion ask(const std::string& script, const Json& value = nullptr,
                 std::chrono::milliseconds limit = 5s) {
    const Node node{"n1", "10.77.0.1", "/data"};
    const auto client = make_client({"/bin/sh", "-c", script}, node, {node}, "set");
    Op op;
    op.f = "add";
    op.value = value;
    return client->invoke(op, std::chrono::steady_clock::now() + limit);
  }

  static constexpr const char* kGood =
      R"({"name": "mine", "node": {"command": ["server", "{address}"]},
    "ready": {"tcp": 80}, "client": {"command": ["client"], "workloads": ["set"]},
    "settings": {"level": {"values": "low|high", "initial": "low"}}})";
  fs::path folder;
};

TEST_F(Custom, EveryFieldThatIsWrongIsNamed) {
  EXPECT_EQ(said(Json::object()), "");
  const std::pair<Json, std::string> kWrong[]{
      {{{"name", nullptr}}, "name is missing"},
      {{{"name", "My System"}}, "name may have"},
      {{{"nane", "x"}}, "nane is not a field; there are client, name,"},
      {{{"name", nullptr}, {"nane", "x"}}, "nane is not a field"},
      {{{"node", {{"command", 7}}}}, "node.command must be a list"},
      {{{"node", {{"command", Json::array({"a", 1})}}}}, "node.command must be a list"},
      {{{"node", {{"command", "run {adress}"}}}},
       "node.command: \"{adress}\" in \"run {adress}\" is not known"},
      {{{"node", {{"command", "run {set:lvl}"}}}}, "{set:lvl}"},
      {{{"node", {{"environment", {{"A", 1}}}}}}, "node.environment.A must be a text"},
      {{{"node", "x"}}, "node must be an object"},
      {{{"ready", {{"tcp", 70'000}}}}, "ready.tcp must be a whole number from 1 to 65535"},
      {{{"ready", {{"http", {{"port", 1}}}}}}, "ready must have one of tcp, http and command"},
      {{{"primary", Json::object()}}, "primary must have one of"},
      {{{"settled", {{"http", {{"path", "/"}}}}}}, "settled.http.port is missing"},
      {{{"client", {{"workloads", Json::array()}}}}, "client.workloads must be a list"},
      {{{"patience", "long"}}, "patience must be a whole number"},
      {{{"patience", 1.5}}, "patience must be a whole number"},
      {{{"name", std::string(300, 'a')}}, "40 at most"},
      {{{"name", "latest"}}, "not be \"latest\""},
      {{{"ready", {{"tcp", 70.5}}}}, "ready.tcp must be a whole number"},
      {{{"ready", {{"tcp", nullptr}, {"http", {{"port", 1}, {"path", "x y"}}}}}},
       "ready.http.path must begin"},
      {{{"node", {{"command", Json::array({""})}}}}, "node.command must be a list"},
      {{{"node", {{"environment", {{"A=B", "1"}}}}}}, "node.environment has a name"},
      {{{"node", {{"command", "run {name"}}}}, "\"{name\" is not closed"},
      {{{"client", {{"workloads", Json::array({""})}}}},
       "client.workloads must be a list of names"},
      {{{"client", {{"workloads", Json::array({"set register"})}}}}, "client.workloads must be"},
      {{{"settings", {{"a=b", {{"initial", "x"}}}}}}, "settings has the name \"a=b\""},
      {{{"settings", {{"level", {{"initial", "middle"}}}}}},
       "settings.level.initial must be one of low, high"},
  };
  for (const auto& [patch, message] : kWrong) {
    const std::string text = said(patch);
    EXPECT_NE(text.find(message), std::string::npos) << patch << ": " << text;
    EXPECT_TRUE(text.starts_with((folder / "mine.json: ").string())) << text;
  }
  EXPECT_NE(kind_of(write("{\"name\": ")).error().message.find("line 1, column"),
            std::string::npos);
  EXPECT_NE(kind_of(folder / "none.json").error().message.find("cannot be read"),
            std::string::npos);
  EXPECT_NE(kind_of(folder).error().message.find("is no file"), std::string::npos);
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  EXPECT_NE(kind_of(folder / "fifo").error().message.find("is no file"), std::string::npos);
  EXPECT_NE(
      kind_of(write(R"({"name": "a", "name": "b"})")).error().message.find("name is there twice"),
      std::string::npos);
}

TEST_F(Custom, TemplatesAreFilledIn) {
  Definition definition;
  definition.folder = "/where";
  const std::vector<Node> all{
      {"n1", "10.77.0.1", "/d1"}, {"n2", "10.77.0.2", "/d2"}, {"n3", "10.77.0.3", "/d3"}};
  const Settings settings{{"level", "low"}};
  const Scene scene{definition, settings, all[1], all};
  EXPECT_EQ(filled_in("{name} {index} {address} {data} {folder} {set:level}", scene).value(),
            "n2 2 10.77.0.2 /d2 /where low");
  EXPECT_EQ(filled_in("{nodes:NAME=http://ADDRESS:1}", scene).value(),
            "n1=http://10.77.0.1:1,n2=http://10.77.0.2:1,n3=http://10.77.0.3:1");
  EXPECT_EQ(filled_in("{peers:INDEX}", scene).value(), "1,3");
  EXPECT_EQ(filled_in("{{name} ${{x}", scene).value(), "{name} ${x}");
  EXPECT_FALSE(filled_in("{name", scene));
  EXPECT_FALSE(filled_in("{}", scene));
}

TEST_F(Custom, AClientIsAskedLineByLine) {
  const std::string good = R"(read -r open; echo '{"id":1,"type":"ok"}'; read -r request;
    echo "$request" | grep -q '"f":"add"' && echo '{"id":2,"type":"ok","value":7}'; read -r end)";
  EXPECT_EQ(ask(good, 7).type, OpType::ok);
  EXPECT_EQ(ask(good, 7).value, Json(7));
}

TEST_F(Custom, AClientThatFailsIsNeverTakenForAnAnswer) {
  const std::string open = "read -r open; echo '{\"id\":1,\"type\":\"ok\"}'; read -r request; ";
  const auto not_opened = ask("echo no library >&2; exit 3");
  EXPECT_EQ(not_opened.type, OpType::fail);  // nothing can have happened
  EXPECT_NE(not_opened.error.find("no library"), std::string::npos) << not_opened.error;
  EXPECT_EQ(ask("/none/such").type, OpType::fail);
  const auto died = ask(open + "echo trouble >&2; exit 1");
  EXPECT_EQ(died.type, OpType::info);
  EXPECT_NE(died.error.find("trouble"), std::string::npos) << died.error;
  for (const char* answer : {"nonsense", "[]", "{\"id\":1,\"type\":\"ok\"}",
                             "{\"id\":2,\"type\":\"okay\"}", "{\"id\":2}"})
    EXPECT_EQ(ask(open + fmt::format("echo '{}'; sleep 9", answer)).type, OpType::info) << answer;
  const auto odd = ask(open + "printf '{\"id\":2,\"type\":7}\\n\\377\\n'; sleep 9");
  EXPECT_EQ(odd.type, OpType::info);
  const auto late = ask(open + "sleep 60", nullptr, 300ms);
  EXPECT_EQ(late.type, OpType::info);
  EXPECT_NE(late.error.find("in time"), std::string::npos) << late.error;
  EXPECT_EQ(ask(open + "echo '{\"id\":2,\"type\":\"fail\",\"error\":\"no\"}'").type, OpType::fail);
}

// A checker would take it for what the system holds.
TEST_F(Custom, AnAnswerOfTheWrongShapeIsNone) {
  const auto fits = [](const char* workload, const char* f, const char* asked,
                       const char* answered) {
    return !misfit(workload, f, Json::parse(asked), Json::parse(answered));
  };
  EXPECT_TRUE(fits("set", "read", "null", "[1,2]"));
  for (const char* wrong : {"null", "\"abc\"", "5", "{\"a\":1}", "[\"a\"]", "[1.5]"}) {
    EXPECT_FALSE(fits("set", "read", "null", wrong)) << wrong;
    EXPECT_FALSE(fits("queue", "drain", "null", wrong)) << wrong;
    EXPECT_FALSE(fits("register", "read", "[1,null]", wrong)) << wrong;
  }
  EXPECT_TRUE(fits("register", "read", "[1,null]", "[1,null]"));
  EXPECT_TRUE(fits("session", "read", "[1,null]", "[1,7]"));
  EXPECT_FALSE(fits("register", "read", "[1,null]", "[2,7]"));
  EXPECT_FALSE(fits("register", "read", "[0,null]", "[\"0\",7]"));
  EXPECT_TRUE(fits("register", "cas", "[1,[2,3]]", "null"));
  EXPECT_FALSE(fits("register", "cas", "[1,[2,3]]", "[1,3]"));
  EXPECT_TRUE(fits("queue", "dequeue", "null", "4"));
  EXPECT_FALSE(fits("queue", "dequeue", "null", "null"));
  EXPECT_TRUE(fits("bank", "read", "null", R"({"0":100})"));
  EXPECT_FALSE(fits("bank", "read", "null", R"({"0":"100"})"));
  EXPECT_TRUE(fits("counter", "read", "null", "4"));
  EXPECT_TRUE(fits("list-append", "txn", R"([["r",1,null],["append",1,2]])",
                   R"([["r",1,[2]],["append",1,2]])"));
  EXPECT_FALSE(fits("list-append", "txn", R"([["r",1,null]])", R"([["r",1,2]])"));
  EXPECT_FALSE(fits("rw-register", "txn", R"([["w",1,3]])", R"([["w",1,4]])"));
  EXPECT_FALSE(fits("rw-register", "txn", R"([["w",1,3]])", "[]"));
  const auto answered =
      ask("read -r open; echo '{\"id\":1,\"type\":\"ok\"}'; read -r x; "
          "echo '{\"id\":2,\"type\":\"ok\",\"value\":\"abc\"}'; read -r end");
  EXPECT_EQ(answered.type, OpType::info);
  EXPECT_NE(answered.error.find("must be null, or what was asked"), std::string::npos)
      << answered.error;
}

TEST_F(Custom, ACheckMayPrintMuchAndIsAskedNothing) {
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  EXPECT_TRUE(succeeds({"/bin/sh", "-c", "head -c 300000 /dev/zero; cat"}, deadline));
  EXPECT_FALSE(succeeds({"/no/such/check"}, deadline));
}

// As an interpreter does on a busy machine: the first operations fail, and nobody starts it again.
TEST_F(Custom, AClientMayTakeItsTimeToStart) {
  const std::string starts = (folder / "starts").string();
  const Node node{"n1", "10.77.0.1", "/data"};
  const auto client =
      make_client({"/bin/sh", "-c",
                   "echo x >>" + starts + R"(; read -r open; sleep 1; echo '{"id":1,"type":"ok"}'
         i=1; while read -r x; do i=$((i + 1)); echo "{\"id\":$i,\"type\":\"ok\"}"; done)"},
                  node, {node}, "set");
  Op op;
  op.f = "add";
  const auto ask_soon = [&] {
    return client->invoke(op, std::chrono::steady_clock::now() + 100ms);
  };
  const auto first = ask_soon();
  EXPECT_EQ(first.type, OpType::fail) << "it was not asked yet";
  EXPECT_NE(first.error.find("still starting"), std::string::npos) << first.error;
  bool served = false;
  for (int i = 0; i < 100 && !served; ++i) served = ask_soon().type == OpType::ok;
  EXPECT_TRUE(served);
  EXPECT_EQ(fs::file_size(starts), 2U) << "it was started more than once";
}

TEST_F(Custom, AClientThatLogsMuchIsNotStopped) {
  const std::string chatty = R"(read -r open; echo '{"id":1,"type":"ok"}'; read -r request
    head -c 300000 /dev/zero | tr '\0' 'x' >&2; echo '{"id":2,"type":"ok"}'; read -r end)";
  EXPECT_EQ(ask(chatty).type, OpType::ok);
}

TEST_F(Custom, WhatAClientStartedEndsWithIt) {
  const std::string mark = (folder / "pid").string();
  ask("read -r open; echo '{\"id\":1,\"type\":\"ok\"}'; sleep 1000 & echo $! >" + mark +
          "; read -r x; sleep 1000",
      nullptr, 300ms);
  int pid = 0;
  std::ifstream(mark) >> pid;
  ASSERT_GT(pid, 0);
  for (int i = 0; i < 500 && ::kill(pid, 0) == 0; ++i) {
    std::ifstream stat(fmt::format("/proc/{}/stat", pid));
    std::string line;
    std::getline(stat, line);
    if (line.find(") Z ") != std::string::npos) return;  // dead; nobody has asked for it yet
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

}  // namespace
}  // namespace gameday::custom
