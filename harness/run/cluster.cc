#include "harness/run/cluster.h"

#include <algorithm>
#include <fstream>

namespace gameday::run {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::string last_lines(const std::filesystem::path& file, std::size_t count) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  const std::size_t from = lines.size() > count ? lines.size() - count : 0;
  return fmt::format("{}", fmt::join(lines.begin() + static_cast<std::ptrdiff_t>(from),
                                     lines.end(), "\n"));
}

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::start(System& system, const ClusterOptions& options,
                                                Log log) {
  const auto begin = Clock::now();
  lab::LabOptions lab_options;
  lab_options.nodes = options.nodes;
  lab_options.directory = options.folder;
  lab_options.prepare = options.prepare;
  lab_options.on_unexpected_exit = [log](const lab::Exit& exit) mutable {
    log.write("unexpected: " + describe(exit));
  };
  auto lab = lab::Lab::create(std::move(lab_options));
  if (!lab) return tl::make_unexpected(lab.error());
  std::unique_ptr<Cluster> cluster(new Cluster(system, std::move(*lab), std::move(log), begin));
  for (const auto& node : cluster->nodes())
    if (auto started = cluster->lab_->start(node.name, system.process(node, cluster->nodes()));
        !started)
      return tl::make_unexpected(started.error());
  return cluster;
}

Result<double> Cluster::wait_ready(Deadline deadline, std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (system_.ready(nodes(), std::min(deadline, Clock::now() + 200ms)))
      return ms(Clock::now() - begin_);
    const auto exits = lab_->unexpected_exits();
    if (!exits.empty())
      return fail("{} before the cluster was ready; its log ends:\n{}", describe(exits.front()),
                  last_lines(lab_->directory(exits.front().node) / "log", 10));
    if (Clock::now() >= deadline) {
      std::vector<std::string> silent;
      for (const auto& node : nodes())
        if (!system_.status(node, Clock::now() + 500ms)) silent.push_back(node.name);
      const std::string& who = silent.empty() ? nodes().front().name : silent.front();
      const std::string said = last_lines(lab_->directory(who) / "log", 10);
      return fail("the cluster did not become ready in {:.0f} s{}; the log of {} {}",
                  ms(Clock::now() - begin_) / 1e3,
                  silent.empty() ? std::string()
                                 : fmt::format(": {} did not answer", fmt::join(silent, ", ")),
                  who, said.empty() ? "is empty" : "ends:\n" + said);
    }
  }
  return fail("interrupted before the cluster was ready");
}

bool Cluster::settle(Deadline deadline, std::stop_token stop) {
  while (!stop.stop_requested() && Clock::now() < deadline) {
    std::vector<Node> running;
    for (const auto& node : nodes())
      if (lab_->alive(node.name)) running.push_back(node);
    if (running.empty()) return false;
    if (system_.settled(running, std::min(deadline, Clock::now() + 500ms))) return true;
  }
  return false;
}

void Cluster::stop() {
  for (const auto& node : nodes())
    if (lab_->alive(node.name)) (void)lab_->terminate(node.name, 1s);
  for (const auto& note : lab_->keep_data()) log_.write(note);
}

std::vector<lab::Exit> Cluster::new_exits() {
  const auto all = lab_->unexpected_exits();
  std::vector<lab::Exit> fresh(all.begin() + static_cast<std::ptrdiff_t>(exits_seen_), all.end());
  exits_seen_ = all.size();
  return fresh;
}

void Cluster::revive() {
  for (const auto& node : not_running()) {
    log_.write("restarting " + node);
    if (auto restarted = lab_->restart(node); !restarted) log_.write(restarted.error().message);
  }
}

std::vector<std::string> Cluster::not_running() const {
  std::vector<std::string> names;
  for (const auto& node : nodes())
    if (!lab_->alive(node.name)) names.push_back(node.name);
  return names;
}

std::vector<std::string> Cluster::primaries() const {
  std::vector<std::pair<std::int64_t, std::string>> claims;
  for (const auto& node : nodes()) {
    if (!lab_->alive(node.name) || lab_->paused(node.name)) continue;
    const auto status = system_.status(node, Clock::now() + 200ms);
    if (status && status->primary) claims.emplace_back(status->term.value_or(0), node.name);
  }
  std::stable_sort(claims.begin(), claims.end(), [](auto& a, auto& b) { return a.first > b.first; });
  std::vector<std::string> names;
  for (auto& [term, name] : claims) names.push_back(std::move(name));
  return names;
}

std::optional<std::int64_t> Cluster::wall_clock(const std::string& node) const {
  const auto found = lab_->node(node);
  if (!found) return std::nullopt;
  const auto status = system_.status(*found, Clock::now() + 300ms);
  return status ? status->wall_clock_ns : std::nullopt;
}

}  // namespace gameday::run
