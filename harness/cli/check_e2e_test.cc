// `gameday check --model` from outside: files of several formats, verdict lines, JSON, exit codes.
#include "harness/cli/e2e.h"

namespace gameday {
namespace {

class CheckModel : public EndToEnd {
 protected:
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(scratch / name) << text;
    return (scratch / name).string();
  }
  Outcome check(std::vector<std::string> options) const {
    options.insert(options.begin(), "check");
    return gameday(std::move(options));
  }

  const std::string good = R"({:process 0, :type :invoke, :f :write, :value 1}
{:process 0, :type :ok, :f :write, :value 1}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 1, :type :ok, :f :read, :value 1})";
  const std::string bad = R"({"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":1,"type":"ok","f":"read","value":2}
)";
};

TEST_F(CheckModel, PrintsALineAFileAndTheWorstDecidesTheExitCode) {
  const auto a = file("good.edn", good), b = file("bad.jsonl", bad);
  const Outcome o = check({"--model", "cas-register", a, b});
  EXPECT_EQ(o.code, 1) << o.err;
  EXPECT_EQ(o.out, a + "\ttrue\n" + b + "\tfalse\n");
  EXPECT_NE(o.err.find("INVALID"), std::string::npos) << o.err;
  EXPECT_EQ(check({"--model", "register", a}).code, 0);
}

TEST_F(CheckModel, JsonIsAnObjectAFile) {
  const auto a = file("good.edn", good), b = file("bad.jsonl", bad);
  const Outcome o = check({"--model", "register", "--json", b, a});
  EXPECT_EQ(o.code, 1) << o.err;
  std::istringstream lines(o.out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const Json first = Json::parse(line, nullptr, false);
  ASSERT_TRUE(first.is_object()) << line;
  EXPECT_EQ(first.at("file"), b);
  EXPECT_EQ(first.at("model"), "register");
  EXPECT_EQ(first.at("valid"), false);
  EXPECT_EQ(first.at("anomaly-types"), Json::array({"nonlinearizable"}));
  EXPECT_EQ(first.at("anomalies").at("nonlinearizable").size(), 1u);
  for (const auto& key : {"not", "also-not", "stats", "time", "memory"})
    EXPECT_TRUE(first.contains(key)) << key;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(Json::parse(line, nullptr, false).at("valid"), true);
}

TEST_F(CheckModel, MalformedInputSaysWhereAndTheOtherFilesAreJudged) {
  const auto a = file("good.edn", good);
  const auto b = file("broken.jsonl", bad.substr(0, bad.size() - 8));
  const Outcome o = check({"--model", "register", b, a});
  EXPECT_EQ(o.code, 254);
  EXPECT_EQ(o.out, a + "\ttrue\n");
  EXPECT_NE(o.err.find("broken.jsonl:4:"), std::string::npos) << o.err;
  EXPECT_EQ(check({"--model", "register", (scratch / "absent").string()}).code, 254);
}

TEST_F(CheckModel, IndependentKeysAreJudgedAlone) {
  std::string text;
  for (int key = 0; key < 3; ++key)
    for (const std::string row : {"invoke, :f :write, :value [K 1]", "ok, :f :write, :value [K 1]",
                                  "invoke, :f :read, :value [K nil]", "ok, :f :read, :value [K 1]"}) {
      const std::string k = std::to_string(key);
      const auto at = row.find('K');
      text += "{:process " + k + ", :type :" + row.substr(0, at) + k + row.substr(at + 1) + "}\n";
    }
  EXPECT_EQ(check({"--model", "register", "--independent", file("h.edn", text)}).code, 0);
  text += "{:process 9, :type :invoke, :f :read, :value [2 nil]}\n"
          "{:process 9, :type :ok, :f :read, :value [2 7]}";
  const Outcome o = check({"--model", "register", "--independent", "--json", file("h2.edn", text)});
  EXPECT_EQ(o.code, 1);
  const Json json = Json::parse(o.out, nullptr, false);
  EXPECT_EQ(json.at("stats").at("keys"), 3);
  EXPECT_EQ(json.at("stats").at("failures"), Json::array({2}));
}

TEST_F(CheckModel, StandardInputAndBudgets) {
  const auto a = file("good.edn", good);
  const std::string command = program().string() + " check --model register - < " + a;
  const Outcome o = Child(scratch, {"sh", "-c", command}).wait();
  EXPECT_EQ(o.code, 0) << o.err;
  EXPECT_EQ(o.out, "-\ttrue\n");
  EXPECT_EQ(check({"--model", "register", "--memory", "lots", a}).code, 254);
  EXPECT_EQ(check({"--model", "nonesuch", a}).code, 254);
  EXPECT_EQ(check({"--model", "list-append", "--consistency", "nonesuch", a}).code, 254);
  EXPECT_EQ(check({"--model", "list-append", "--anomalies", "G9", a}).code, 254);
  EXPECT_EQ(check({"--independent", a}).code, 254);
}

}  // namespace
}  // namespace gameday
