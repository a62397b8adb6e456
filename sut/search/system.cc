#include "sut/search/system.h"

#include <unistd.h>

#include <algorithm>
#include <thread>

#include "sut/http/http_client.h"
#include "sut/search/bugs.h"

namespace gameday::search {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class SearchSystem final : public System {
 public:
  SearchSystem(std::filesystem::path searchd, std::vector<std::string> bugs)
      : searchd_(std::move(searchd)), bugs_(std::move(bugs)) {}

  std::string_view name() const override { return "search"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::vector<std::string> peers, hosts;
    std::size_t id = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].name == node.name) id = i + 1;
      peers.push_back(fmt::format("{}={}:{}", i + 1, all[i].address, kPeerPort));
      hosts.push_back(fmt::format("{}={}:{}", i + 1, all[i].address, kHttpPort));
    }
    ProcessSpec spec;
    spec.argv = {searchd_.string(), "--id", std::to_string(id),
                 "--listen", fmt::format("{}:{}", node.address, kHttpPort),
                 "--peers", fmt::format("{}", fmt::join(peers, ",")),
                 "--http-peers", fmt::format("{}", fmt::join(hosts, ",")),
                 "--data", node.data.string()};
    for (const auto& bug : bugs_) spec.argv.insert(spec.argv.end(), {"--bug", bug});
    return spec;
  }

  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    http::Client client(node.address, kHttpPort, /*checked=*/true);
    const auto response = client.call({"GET", "/1/status", {}, {}}, deadline);
    if (!response || response->status != 200) return std::nullopt;
    NodeStatus status;
    status.raw = Json::parse(response->body, nullptr, false);
    if (!status.raw.is_object()) return std::nullopt;
    status.primary = status.raw.value("role", std::string()) == "leader";
    status.term = status.raw.value("term", std::int64_t{0});
    if (status.raw.contains("clock")) status.wall_clock_ns = status.raw["clock"].get<std::int64_t>();
    return status;
  }

  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    for (const auto& node : all) {
      http::Client client(node.address, kHttpPort, /*checked=*/true);
      const auto response = client.call(
          {"PUT", "/1/indexes/ready/ready", R"({"ready":true})", {{"X-Timeout-Ms", "150"}}}, deadline);
      if (response && response->status == 200) return true;
      std::this_thread::sleep_for(5ms);  // a server that does not listen yet refuses at once
    }
    return false;
  }

  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    std::optional<Json> first;
    bool leader = false;
    for (const auto& node : all) {
      const auto s = status(node, deadline);
      if (!s) return wait_a_little();
      leader |= s->primary;
      const Json position = {s->raw.value("term", Json()), s->raw.value("applied", Json()),
                             s->raw.value("last", Json())};
      if (position[1] != position[2]) return wait_a_little();
      if (first && *first != position) return wait_a_little();
      first = position;
    }
    return leader || wait_a_little();
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>& all) const override {
    return make_client(node, all);
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("http://{}:{}", node.address, kHttpPort);
  }

 private:
  static bool wait_a_little() {
    std::this_thread::sleep_for(20ms);
    return false;
  }

  std::filesystem::path searchd_;
  std::vector<std::string> bugs_;
};

}  // namespace

namespace {

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  const auto searchd = options.programs / "searchd";
  const auto& bugs = options.bugs;
  if (const auto known = parse_bugs(bugs); !known) return tl::make_unexpected(known.error());
  if (::access(searchd.c_str(), X_OK) != 0)
    return fail("the search cluster's server {} is missing; it comes with the package gameday, or "
                "with ./scripts/gameday --build-only", searchd.string());
  return std::unique_ptr<System>(std::make_unique<SearchSystem>(searchd, bugs));
}

}  // namespace
}  // namespace gameday::search

namespace gameday::sut {

const SystemKind& search_system() {
  static constexpr SystemKind kind{"search",
                                   "the search cluster of this project: HTTP, Raft, Xapian (sut/search/)",
                                   "all register append set availability",
                                   "",
                                   {},
                                   search::make,
                                   true};
  return kind;
}

}  // namespace gameday::sut
