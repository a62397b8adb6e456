// The catalogue of findings: every entry can be run as it stands, and says what it must show.
#include "harness/cli/reproductions.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "checkers/model.h"
#include "harness/cli/compose.h"
#include "harness/cli/install.h"
#include "harness/core/json.h"
#include "harness/run/schedule.h"
#include "nemesis/catalog.h"
#include "sut/catalog.h"

namespace gameday::cli {
namespace {

// Rows of the published findings, by a prefix of their names: each has a bad side, and most a good
// one.
TEST(Reproductions, AreWellFormed) {
  std::set<std::string_view> names;
  std::size_t bad = 0;
  for (const Reproduction& r : reproductions()) {
    SCOPED_TRACE(r.name);
    EXPECT_TRUE(names.insert(r.name).second);
    const SystemKind* kind = sut::find(r.system);
    ASSERT_NE(kind, nullptr) << r.system;
    const auto settings = complete(*kind, words(r.settings));
    EXPECT_TRUE(settings) << settings.error().message;
    const auto offered = words(kind->workloads);
    EXPECT_NE(std::ranges::find(offered, r.workload), offered.end()) << r.workload;
    EXPECT_LE(r.seconds, 90) << "a run must be short enough to be repeated";
    EXPECT_EQ(r.invalid, !r.anomalies.empty()) << "what must be seen is said of the bad side only";
    EXPECT_NE(r.source.find("https://"), std::string_view::npos) << r.source;
    EXPECT_FALSE(r.story.empty());
    EXPECT_LE(r.runs, 3);
    bad += r.invalid ? 1 : 0;
    if (r.schedule.empty()) continue;
    const Json schedule = Json::parse(r.schedule, nullptr, false);
    ASSERT_TRUE(schedule.is_array());
    for (const Json& planned : schedule)
      EXPECT_NE(nemesis::find(planned.value("fault", std::string())), nullptr) << planned;
  }
  EXPECT_GE(bad, 14U);
}

// A run of a catalogue entry fails early, and with a reason, where its system is not installed.
TEST(Reproductions, EverySystemSaysWhatInstallsIt) {
  for (const SystemKind* kind : sut::catalog()) {
    if (kind->programs.empty()) continue;
    EXPECT_FALSE(packages_of(std::string(kind->name)).empty()) << kind->name;
  }
}

}  // namespace
}  // namespace gameday::cli
