// `gameday lab`, `gameday inject` and `gameday doctor`, through the real program.
#include "harness/cli/e2e.h"

#include <set>

namespace gameday {
namespace {

class LabEndToEnd : public EndToEnd {
 protected:
  std::vector<std::string> lab_argv(std::vector<std::string> options = {}) const {
    std::vector<std::string> argv{program().string(), "lab", "search", "--store", store.string()};
    argv.insert(argv.end(), options.begin(), options.end());
    return argv;
  }
  // What a lab says to commands that come in by a pipe.
  Outcome play(const std::string& commands, std::vector<std::string> options = {}) const {
    std::ofstream(scratch / "commands") << commands;
    std::string line = "exec";
    for (const auto& arg : lab_argv(std::move(options))) line += " '" + arg + "'";
    return Child(scratch, {"sh", "-c", line + " < " + (scratch / "commands").string()}).wait();
  }
  fs::path folder() const { return fs::canonical(store / "lab" / "latest"); }
  bool is_up(std::chrono::milliseconds limit = 30s) const {
    return wait_for(store / "lab/latest/socket", limit);
  }
  Outcome inject(std::vector<std::string> words) const {
    words.insert(words.begin(), "inject");
    words.insert(words.end(), {"--store", store.string()});
    return gameday(words);
  }
  Json inject_json(std::vector<std::string> words) const {
    words.push_back("--json");
    const Outcome o = inject(words);
    Json answer = Json::parse(o.out, nullptr, false);
    EXPECT_TRUE(answer.is_object()) << o.out << o.err;
    return answer;
  }
  std::vector<std::string> events() const {
    std::vector<std::string> result;
    std::ifstream in(folder() / "faults.jsonl");
    for (std::string line; std::getline(in, line);)
      result.push_back(Json::parse(line).at("event").get<std::string>());
    return result;
  }
};

TEST_F(LabEndToEnd, APipeIsAPromptToo) {
  const Outcome o = play(
      "help\nstatus\n\n# a remark\n"
      "inject kill targets=n2\nstatus\nfaults\nheal 1\n"
      "partition shape=one order=n1\nheal all\nheal all\n"
      "exec curl -s http://10.77.0.1:7700/1/status\nexec n2 hostname\nexec n2 pwd\nexec false\n"
      "logs n1 2\nfaults kill\n"
      "dance\ninject plague\nkill styl=down\nkill targets=n9\nheal 99\nheal\nlogs n7\ninject kill [\nexec\n");
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  for (const char* said : {"http://10.77.0.3:7700", "socket  ", "heal ID | heal all", "1  kill: kill -9 n2",
                           "down", "1  kill healed: killed n2", "2  partition: cut n1", "nothing is in force",
                           "\"role\"", "n2\n", "n2/data\n", "(exit code 1)", "style: "})
    EXPECT_NE(o.out.find(said), std::string::npos) << said << "\n" << o.out;
  for (const char* said : {"no command \"dance\"", "no fault \"plague\"", "\"styl\"", "n1, n2, n3",
                           "number 99", "heal what?", "logs NODE", "\"]\" is missing", "needs a terminal"})
    EXPECT_NE(o.err.find(said), std::string::npos) << said << "\n" << o.err;
  const std::vector<std::string> one{"requested", "in-force", "heal-requested", "healed"};
  auto two = one;
  two.insert(two.end(), one.begin(), one.end());
  EXPECT_EQ(events(), two);
  EXPECT_FALSE(fs::exists(folder() / "socket"));
  EXPECT_FALSE(fs::exists(store / "latest")) << "a lab is no run to be judged";
}

TEST_F(LabEndToEnd, FaultsComeFromAnotherTerminal) {
  Child lab(scratch, lab_argv({"--no-prompt"}));
  ASSERT_TRUE(is_up());
  struct stat info {};
  ASSERT_EQ(::stat((folder() / "socket").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const Json kill = inject_json({"kill", "targets=n1"});
  EXPECT_TRUE(kill.value("ok", false)) << kill;
  EXPECT_EQ(kill["description"]["targets"], Json{"n1"});
  EXPECT_NE(inject({"--list"}).out.find("kill -9 n1"), std::string::npos);
  const Outcome timed = inject({"pause", "targets=n2", "--for", "0.3", "--lab", folder().string()});
  EXPECT_EQ(timed.code, 0) << timed.err;
  EXPECT_NE(timed.out.find("2  pause healed: n2 stood still"), std::string::npos) << timed.out;
  const Json drawn = inject_json({"partition"});
  EXPECT_TRUE(drawn["parameters"].contains("shape")) << drawn;
  const Outcome healed = inject({"--heal", "all", "--lab", (folder() / "socket").string()});
  EXPECT_EQ(healed.code, 0) << healed.err;
  EXPECT_LT(healed.out.find("3  partition"), healed.out.find("1  kill healed")) << "the last first";
  EXPECT_EQ(inject_json({"--list"})["faults"], Json::array());
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"plague"}, "known: "},       {{"kill", "up_ms=soon"}, "\"up_ms\""}, {{"kill", "n1"}, "key=value"},
      {{"--heal", "7"}, "number 7"}, {{"--heal", "soon"}, "\"soon\""},    {{}, "one of"},
      {{"kill", "--list"}, "one of"}, {{"kill", "--for", "0"}, "--for"}};
  for (const auto& [words, said] : wrong) {
    const Outcome o = inject(words);
    EXPECT_EQ(o.code, 254) << said;
    EXPECT_NE((o.out + o.err).find(said), std::string::npos) << o.out << o.err;
  }
  lab.signal(SIGTERM);
  const Outcome o = lab.wait();
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  EXPECT_NE(o.out.find("2  pause healed"), std::string::npos) << "who sits there sees it";
  EXPECT_EQ(inject({"kill"}).code, 254);
}

TEST_F(LabEndToEnd, TheEndHealsWhatIsInForceAndAnswersWhoWaits) {
  Child lab(scratch, lab_argv({"--no-prompt"}));
  ASSERT_TRUE(is_up());
  ASSERT_EQ(inject({"partition", "shape=one"}).code, 0);
  ASSERT_EQ(inject({"kill", "targets=all"}).code, 0);
  Child waiting(scratch, {program().string(), "inject", "pause", "--for", "600", "--store",
                            store.string()});
  std::this_thread::sleep_for(500ms);
  lab.signal(SIGINT);
  EXPECT_EQ(lab.wait().code, 0);
  EXPECT_NE(waiting.wait().out.find("pause healed"), std::string::npos);
  const auto all = events();
  EXPECT_EQ(std::count(all.begin(), all.end(), "healed"), 3);
}

TEST_F(LabEndToEnd, AKilledLabLeavesNothingAndIsRecognised) {
  Child lab(scratch, lab_argv({"--no-prompt"}));
  ASSERT_TRUE(is_up());
  ASSERT_EQ(inject({"partition", "shape=one"}).code, 0);
  lab.signal(SIGKILL);
  EXPECT_EQ(lab.wait().code, -SIGKILL);
  EXPECT_TRUE(gone_within(2s));
  const Outcome o = inject({"kill"});
  EXPECT_EQ(o.code, 254);
  EXPECT_NE(o.err.find("was killed"), std::string::npos) << o.err;
  EXPECT_NE(inject({"kill", "--lab", "/nowhere/socket"}).err.find("no lab at"), std::string::npos);
  fs::remove_all(store / "lab");
  EXPECT_NE(inject({"kill"}).err.find("gameday lab SYSTEM"), std::string::npos);
}

TEST_F(LabEndToEnd, TwoLabsAtOnce) {
  Child a(scratch, lab_argv({"--no-prompt"}));
  ASSERT_TRUE(is_up());
  const fs::path first = folder();
  Child b(scratch, lab_argv({"--no-prompt", "--nodes", "1", "--faults", "kill,pause"}));
  for (int i = 0; i < 3000 && (folder() == first || !is_up(0s)); ++i) std::this_thread::sleep_for(10ms);
  ASSERT_NE(folder(), first);
  EXPECT_EQ(inject({"kill", "targets=n3", "--lab", first}).code, 0);
  const Outcome newest = inject({"kill", "targets=n3"});
  EXPECT_EQ(newest.code, 254);
  EXPECT_NE(newest.err.find("the nodes are n1"), std::string::npos) << newest.err;
  EXPECT_NE(inject({"partition"}).err.find("it has kill, pause"), std::string::npos);
  b.signal(SIGKILL);
  EXPECT_EQ(b.wait().code, -SIGKILL);
  EXPECT_EQ(inject({"--heal", "all"}).code, 0) << "the newest that lives";
  a.signal(SIGTERM);
  EXPECT_EQ(a.wait().code, 0);
}

TEST_F(LabEndToEnd, AnOrdinaryUserCanPlayAndNobodyElseCanJoin) {
  if (::geteuid() != 0) GTEST_SKIP() << "this whole test runs as an ordinary user already";
  const fs::path bin = scratch / "bin";
  fs::create_directory(bin);
  for (const auto& name : {"gameday", "searchd"}) fs::copy_file(program().parent_path() / name, bin / name);
  fs::permissions(scratch, fs::perms(0755));
  ASSERT_EQ(::chown(store.c_str(), kOrdinaryUser, kOrdinaryUser), 0);
  const auto as = [&](uid_t user, std::vector<std::string> words) {
    const std::string id = std::to_string(user);
    std::vector<std::string> argv{"setpriv", "--reuid", id, "--regid", id, "--clear-groups",
                                  (bin / "gameday").string()};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {"--store", store.string()});
    return argv;
  };
  Child lab(scratch, as(kOrdinaryUser, {"lab", "search", "--no-prompt"}));
  ASSERT_TRUE(is_up());
  const auto own = as(kOrdinaryUser, {"inject", "kill", "targets=n1", "--for", "0.2"});
  EXPECT_EQ(Child(scratch, own).wait().code, 0);
  for (const uid_t stranger : {uid_t{0}, uid_t{1001}}) {
    const Outcome o = Child(scratch, as(stranger, {"inject", "kill"})).wait();
    EXPECT_EQ(o.code, 254) << stranger;
    EXPECT_NE(o.err.find("another user's"), std::string::npos) << o.err;
  }
  lab.signal(SIGTERM);
  const Outcome o = lab.wait();
  EXPECT_EQ(o.code, 0) << o.out << o.err;
}

TEST_F(LabEndToEnd, WrongOptionsSayWhatIsWrong) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"lab"}, "SYSTEM"},
      {{"lab", "nosuch"}, "search"},
      {{"lab", "search", "--nodes", "65"}, "--nodes"},
      {{"lab", "search", "--faults", "plague"}, "plague"},
      {{"lab", "search", "--faults", "membership"}, "offers no membership"},
      {{"lab", "search", "--bug", "plague"}, "ack-before-quorum"},
      {{"lab", "search", "--store", "/proc/nowhere"}, "/proc/nowhere"},
      {{"run", "search", "--faults", "membership"}, "search offers no membership changes"},
      {{"doctor", "--frobnicate"}, "frobnicate"}};
  for (const auto& [words, said] : cases) {
    const Outcome o = gameday(words);
    EXPECT_EQ(o.code, 254) << said;
    EXPECT_NE((o.out + o.err).find(said), std::string::npos) << o.out << o.err;
  }
  for (const char* command : {"lab", "inject", "doctor"})
    EXPECT_NE(gameday({command, "--help"}).out.find("Example"), std::string::npos) << command;
}

TEST_F(LabEndToEnd, TheDoctorKnowsEveryFault) {
  const Outcome o = gameday({"doctor", "--json"});
  const Json findings = Json::parse(o.out, nullptr, false);
  ASSERT_TRUE(findings.is_array()) << o.out << o.err;
  bool basics = true;
  std::set<std::string> faults;
  for (const auto& f : findings) {
    for (const char* key : {"name", "group", "works", "detail", "why", "fix", "basic"})
      EXPECT_TRUE(f.contains(key)) << key << f;
    EXPECT_TRUE(f["works"].get<bool>() || !f["why"].get<std::string>().empty()) << f;
    if (f["basic"].get<bool>()) basics = basics && f["works"].get<bool>();
    if (f["group"] == "fault") faults.insert(f["name"]);
  }
  EXPECT_TRUE(basics) << o.out;
  EXPECT_EQ(o.code, 0);
  for (const auto& row : Json::parse(gameday({"list", "faults", "--json"}).out))
    EXPECT_TRUE(!row.contains("parameters") || faults.contains(row["name"])) << row["name"];
  const Outcome text = gameday({"doctor"});
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("`gameday run` works here"), std::string::npos) << text.out;
}

TEST_F(LabEndToEnd, TheDoctorSaysWhatStandsInTheWay) {
  // No namespaces: a limit that a process of root can set for itself in a namespace of its own.
  const Outcome o = Child(scratch, {"unshare", "-Ur", "sh", "-c",
                                      "echo 0 > /proc/sys/user/max_user_namespaces; "
                                      "echo 0 > /proc/sys/user/max_net_namespaces; exec \"$0\" doctor",
                                      program().string()})
                        .wait();
  EXPECT_EQ(o.code, 255) << o.out << o.err;
  EXPECT_NE(o.out.find("NO   universe"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("to change it: "), std::string::npos) << o.out;
  EXPECT_NE(o.out.find("does not work here"), std::string::npos) << o.out;
}

}  // namespace
}  // namespace gameday
