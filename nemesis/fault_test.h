// What the tests of faults on real processes share: a lab with the test server on its nodes.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "harness/lab/test_server.h"
#include "nemesis/catalog.h"

namespace gameday::nemesis {

namespace testing = lab::testing;
using namespace std::chrono_literals;
using Fault = std::unique_ptr<ActiveFault>;
using lab::testing::must;

inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

class NemesisTest : public ::testing::Test {
 protected:
  void up(int nodes, lab::Preparation prepare = {}, bool preload_clocks = false) {
    lab::LabOptions options;
    options.nodes = nodes;
    options.directory = folder.path();
    options.prepare = prepare;
    options.preload_clocks = preload_clocks;
    lab = must(lab::Lab::create(options));
    for (const auto& node : lab->nodes())
      if (auto status = lab->start(node.name, testing::server_spec()); !status)
        throw std::runtime_error(status.error().message);
    ASSERT_TRUE(testing::wait_until_ready(*lab));
  }

  NemesisContext context() {
    return {*lab, [this] { return leaders; },
            [this](const std::string& node) {
              return testing::ask_number(must(lab->node(node)).address, "time");
            }};
  }
  Result<Fault> inject(std::string_view name, const Json& parameters) {
    return find(name)->make(context())->inject(parameters);
  }
  Proof heal(Fault& fault) {
    Proof proof = must(fault->heal());
    fmt::print("  {} -> {}\n", proof.effective ? "effective" : "vacuous", proof.summary);
    return proof;
  }
  bool answers(const std::string& node) {
    return testing::ask(must(lab->node(node)).address, "time", 100).has_value();
  }
  double skew(const std::string& node) {
    return testing::clock_offset(must(lab->node(node)).address, "time");
  }

  testing::TempFolder folder;
  std::unique_ptr<lab::Lab> lab;
  std::vector<std::string> leaders{"n2"};
};

}  // namespace gameday::nemesis
