// Writes histories to measure checkers with: seeded, as large as asked for, right unless asked for
// a violation. `scripts/bench checkers` uses it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <string>

#include "checkers/bench/objects.h"
#include "checkers/bench/transactions.h"

namespace gameday::bench {
namespace {

constexpr const char* kKinds =
    "register      one register, every write another value\n"
    "registers     --keys of them (1000), values [key, value]\n"
    "cas-register  --values (5), read, write and compare-and-set\n"
    "stale-read    as register, with a stale read near the end\n"
    "fifo-queue    distinct values\n"
    "set, log      additions, and reads that become rarer\n"
    "list-append   transactions of 1 to 4 ops over --keys (10) that are replaced when full\n"
    "rw-register   the same with registers\n"
    "txn8          transactions of 8 ops on --keys registers (1000), every write another value";

template <class Object>
void simulate(Object object, Text& text, const Plan& plan) {
  Simulation<Object>(object, text, plan).run();
}

void write(const std::string& kind, Plan plan, TransactionPlan lengths, Text& text) {
  const auto keys = [&](std::uint32_t usual) { plan.keys = plan.keys == 0 ? usual : plan.keys; };
  // A count of infos is as good as a share.
  if (plan.infos >= 1) plan.infos /= static_cast<double>(plan.ops);
  if (kind == "stale-read") plan.bad = true;
  if (kind == "cas-register" && plan.values == 0) plan.values = 5;
  if (kind == "registers") {
    keys(1000);
    simulate(Registers(plan, true), text, plan);
  } else if (kind == "register" || kind == "stale-read" || kind == "cas-register") {
    plan.keys = 1;
    simulate(Registers(plan, false), text, plan);
  } else if (kind == "fifo-queue") {
    simulate(Queue(), text, plan);
  } else if (kind == "set" || kind == "log") {
    simulate(Collection(kind == "log"), text, plan);
  } else {
    keys(kind == "txn8" ? 1000 : 10);
    if (kind == "txn8") lengths = {8, 8, 0};
    simulate(Transactions(plan, lengths, kind == "list-append", text.json() ? ',' : ' '), text,
             plan);
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Writes a history, as a correct object would have left it, to standard output."};
  std::string kind, file;
  Plan plan;
  TransactionPlan lengths;
  Layout layout = Layout::jsonl;
  const std::map<std::string, Layout> layouts = {
      {"jsonl", Layout::jsonl}, {"edn", Layout::edn}, {"etcd", Layout::etcd}};
  app.footer(kKinds);
  app.add_option("kind", kind, "what has been used; see below")
      ->required()
      ->check(CLI::IsMember({"register", "registers", "cas-register", "stale-read", "fifo-queue",
                             "set", "log", "list-append", "rw-register", "txn8"}));
  app.add_option("--ops", plan.ops, "how many (transactions)")->capture_default_str();
  app.add_option("--clients", plan.clients, "how many at a time")
      ->check(CLI::Range(1U, 100000U))
      ->capture_default_str();
  app.add_option("--keys", plan.keys, "how many (of transactions: at a time)");
  app.add_option("--values", plan.values, "of registers: repeat so many, with compare-and-set");
  app.add_option("--infos", plan.infos, "how many ops end as info: a share below 1, or a count");
  app.add_option("--longest", lengths.longest, "ops of a transaction at most")
      ->check(CLI::Range(1U, 1000U))
      ->capture_default_str();
  app.add_option("--writes-per-key", lengths.writes_per_key, "until another takes its place")
      ->check(CLI::Range(1U, 1000000U))
      ->capture_default_str();
  app.add_option("--seed", plan.seed)->capture_default_str();
  app.add_flag("--bad", plan.bad, "with one violation near the end");
  app.add_option("--format", layout, "jsonl, edn or etcd (of registers)")
      ->transform(CLI::CheckedTransformer(layouts));
  app.add_option("--output", file, "a file instead of standard output");
  CLI11_PARSE(app, argc, argv);

  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(
      file.empty() ? nullptr : std::fopen(file.c_str(), "wb"),
      [](std::FILE* f) { return f == nullptr ? 0 : std::fclose(f); });
  if (!file.empty() && opened == nullptr) throw std::runtime_error("cannot write " + file);
  std::FILE* out = opened == nullptr ? stdout : opened.get();
  Text text(out, layout);
  write(kind, plan, lengths, text);
  if (std::fflush(out) != 0) throw std::runtime_error("cannot write the history");
  return 0;
}

}  // namespace
}  // namespace gameday::bench

int main(int argc, char** argv) {
  try {
    return gameday::bench::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "histories: %s\n", e.what());
    return 254;
  }
}
