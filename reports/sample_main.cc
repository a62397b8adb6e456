// reports_sample FOLDER: writes the reports of made-up runs, to look at them.

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "reports/console.h"
#include "reports/html.h"
#include "reports/junit.h"
#include "reports/sample.h"

namespace {

void write(const std::filesystem::path& folder, const std::string& name,
           const gameday::RunRecord& run) {
  std::ofstream(folder / (name + ".html")) << gameday::render_html(run);
  std::ofstream(folder / (name + ".xml")) << gameday::render_junit(run);
  std::ofstream(folder / (name + ".txt")) << gameday::render_console(run, {true, 100});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: reports_sample FOLDER\n";
    return 254;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  write(folder, "invalid", gameday::sample_run({}));
  write(folder, "valid", gameday::sample_run({.invalid = false}));
  write(folder, "attack", gameday::sample_run({.attack = gameday::kAttack}));
  write(folder, "large", gameday::sample_run({.ops = 200'000}));
  auto unchecked = gameday::sample_run({});
  unchecked.results = nullptr;
  unchecked.damage = "line 812 has no end: the recorder was killed in its middle";
  write(folder, "unchecked", unchecked);
  write(folder, "empty", {});
}
