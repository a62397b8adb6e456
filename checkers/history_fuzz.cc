// Reading histories that are damaged: read_history never crashes, and an error names its line.
// Deterministic: a failing round is reproduced by its seed.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "checkers/catalog.h"
#include "harness/core/rng.h"

namespace gameday {
namespace {

std::vector<std::string> seed_files() {
  std::vector<std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA)) {
    if (entry.path().extension() != ".jsonl" || entry.file_size() > 8'000) continue;
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    texts.push_back(text.str());
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

std::string mutate(std::string text, Rng& rng) {
  static const std::vector<std::string> kTokens = {"\"ok\"",
                                                   "\"invoke\"",
                                                   "null",
                                                   "-1",
                                                   "99999999999999999999",
                                                   "1e308",
                                                   "\"",
                                                   "{",
                                                   "[",
                                                   "}",
                                                   "\n",
                                                   "\\u0000",
                                                   "\xff",
                                                   "\"process\":3",
                                                   "\"nemesis\"",
                                                   ",",
                                                   "true",
                                                   "0.5"};
  for (std::uint64_t edits = 1 + rng.below(4); edits > 0 && !text.empty(); --edits) {
    const std::size_t at = rng.below(text.size());
    switch (rng.below(6)) {
      case 0:
        text[at] = static_cast<char>(rng.below(256));
        break;
      case 1:
        text.erase(at, 1 + rng.below(20));
        break;
      case 2:
        text.insert(at, rng.pick(kTokens));
        break;
      case 3:
        text.resize(at);
        break;
      case 4: {  // swap a value: change everything from a colon to the next comma
        const auto colon = text.find(':', at), comma = text.find(',', at);
        if (colon < comma && comma != std::string::npos)
          text.replace(colon + 1, comma - colon - 1, rng.pick(kTokens));
        break;
      }
      default: {  // repeat or drop a line
        const auto begin = text.rfind('\n', at) + 1, end = text.find('\n', at);
        if (end == std::string::npos) break;
        const auto line = text.substr(begin, end + 1 - begin);
        rng.chance(0.5) ? text.insert(begin, line) : text.erase(begin, line.size());
      }
    }
  }
  return text;
}

TEST(HistoryFuzz, DamagedFilesAreErrorsWithTheirLineAndNeverCrash) {
  const auto files = seed_files();
  ASSERT_GT(files.size(), 20U);
  std::size_t errors = 0, read = 0;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    Rng rng(seed);
    const std::string text = mutate(rng.pick(files), rng);
    std::istringstream in(text);
    const auto history = read_history(in);
    if (history) {
      ++read;
      continue;
    }
    ++errors;
    const auto& message = history.error().message;
    std::size_t line = 0;
    ASSERT_EQ(std::sscanf(message.c_str(), "line %zu:", &line), 1) << "seed " << seed << message;
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    ASSERT_GE(line, 1U);
    ASSERT_LE(line, lines) << "seed " << seed << ": " << message;
  }
  EXPECT_GT(errors, 1'000U);
  EXPECT_GT(read, 1'000U);
}

// What can still be read can also be checked: no checker throws on it.
TEST(HistoryFuzz, DamagedHistoriesAreJudgedWithoutAnException) {
  const auto files = seed_files();
  for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
    Rng rng(seed);
    std::istringstream in(mutate(rng.pick(files), rng));
    const auto history = read_history(in);
    if (!history) continue;
    for (const auto& result : check_all({*history, {}, {}, {}, {}}))
      ASSERT_EQ(result.summary.find("the checker failed"), std::string::npos)
          << "seed " << seed << ", " << result.checker << ": " << result.summary;
  }
}

}  // namespace
}  // namespace gameday
