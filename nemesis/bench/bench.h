// What faults cost and how exact they are, for `scripts/bench faults`: one function an area, each in
// a file of its own, run inside a universe. Figures are medians unless the row says otherwise; a
// ratio is against a baseline measured in the same run.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::nemesis::bench {

struct Row {
  std::string measure;            // "whole-cluster partition of 5 nodes, in force"
  std::string figure;             // "2.1 ms (median of 50)"
  std::string bar;                // what it should be: "under 10 ms"; empty: none
  std::optional<double> ratio;    // to the baseline
  std::string baseline;           // what that is: "the plain file system"
};
using Rows = std::vector<Row>;

struct Area {
  std::string_view name;  // `scripts/bench faults NAME`
  Rows (*run)();
};

// Of some runs of `once`, in ns, sorted.
std::vector<double> sample(int runs, const std::function<void()>& once);
double median(std::vector<double> values);
double percentile(std::vector<double> values, double p);  // p in 0..100

}  // namespace gameday::nemesis::bench
