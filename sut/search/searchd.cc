// searchd: one node of the search cluster. See API.md for what it serves.
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>

#include "sut/http/http_server.h"
#include "sut/search/api.h"
#include "sut/search/bugs.h"
#include "sut/search/log_line.h"
#include "sut/search/node.h"

namespace gameday::search {
namespace {

struct Arguments {
  raft::NodeId id = 0;
  std::string listen;
  std::vector<std::string> peers;
  std::vector<std::string> http_peers;
  std::string data;
  std::vector<std::string> bugs;
  int election_ms = 150;
  int heartbeat_ms = 30;
};

// "10.77.0.1:7700"; the address may be an IPv6 one.
Result<Endpoint> parse_endpoint(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  Endpoint endpoint;
  if (colon != std::string::npos) {
    endpoint.address = text.substr(0, colon);
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, endpoint.port);
    if (error == std::errc{} && rest == end && endpoint.port != 0) return endpoint;
  }
  return fail("not ADDRESS:PORT: {}", text);
}

// "1=10.77.0.1:7701"
Result<std::map<raft::NodeId, Endpoint>> parse_peers(const std::vector<std::string>& texts) {
  std::map<raft::NodeId, Endpoint> peers;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    raft::NodeId id = 0;
    const char* end = text.data() + std::min(equals, text.size());
    const auto [rest, error] = std::from_chars(text.data(), end, id);
    if (equals == std::string::npos || error != std::errc{} || rest != end || id == 0) {
      return fail("not ID=ADDRESS:PORT: {}", text);
    }
    auto endpoint = parse_endpoint(text.substr(equals + 1));
    if (!endpoint) return tl::make_unexpected(endpoint.error());
    if (!peers.emplace(id, *std::move(endpoint)).second) return fail("two peers have id {}", id);
  }
  return peers;
}

Result<NodeOptions> node_options(const Arguments& arguments) {
  auto bugs = parse_bugs(arguments.bugs);
  if (!bugs) return tl::make_unexpected(bugs.error());
  auto peers = parse_peers(arguments.peers);
  if (!peers) return tl::make_unexpected(peers.error());
  // Where the others serve HTTP is not needed yet: writes are forwarded between the peer ports.
  if (auto http = parse_peers(arguments.http_peers); !http) {
    return tl::make_unexpected(http.error());
  }
  if (peers->count(arguments.id) == 0) return fail("--peers lacks node {}", arguments.id);
  if (arguments.heartbeat_ms < 1 || arguments.election_ms < 2 * arguments.heartbeat_ms) {
    return fail("--election-ms must be at least twice --heartbeat-ms");
  }
  NodeOptions options;
  options.id = arguments.id;
  options.peers = *std::move(peers);
  options.data = arguments.data;
  options.election = std::chrono::milliseconds(arguments.election_ms);
  options.heartbeat = std::chrono::milliseconds(arguments.heartbeat_ms);
  options.bugs = *std::move(bugs);
  return options;
}

// Runs until a signal ends the process; returns only with an error.
Status serve(const Arguments& arguments) {
  auto options = node_options(arguments);
  if (!options) return tl::make_unexpected(options.error());
  const auto listen = parse_endpoint(arguments.listen);
  if (!listen) return tl::make_unexpected(listen.error());

  boost::asio::io_context loop(1);
  boost::asio::signal_set signals(loop, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) loop.stop();
  });
  for (const std::string& bug : options->bugs.names) log_line("with bug {}", bug);

  auto node = Node::open(loop, *std::move(options));
  if (!node) return tl::make_unexpected(node.error());
  Api api(loop, **node);
  http::Server server(loop, {.address = listen->address, .port = listen->port},
                      [&api](const http::Request& request, http::Reply reply) {
                        api.handle(request, std::move(reply));
                      });
  if (auto started = (*node)->start(); !started) return started;
  if (auto started = server.listen(); !started) return started;
  log_line("node {} listens on {}", arguments.id, arguments.listen);
  loop.run();
  (*node)->finish_disk_work();
  log_line("stopping on a signal");
  // The rest is memory, and a text index that the next start builds anew: tearing a large one down
  // in order takes seconds.
  std::_Exit(0);
}

}  // namespace
}  // namespace gameday::search

int main(int argc, char** argv) {
  gameday::search::Arguments arguments;
  CLI::App app{"searchd: one node of the search cluster"};
  app.add_option("--id", arguments.id, "this node, one of --peers")->required();
  app.add_option("--listen", arguments.listen, "ADDRESS:PORT for HTTP")->required();
  app.add_option("--peers", arguments.peers, "ID=ADDRESS:PORT of all nodes, for each other")
      ->required()
      ->delimiter(',');
  app.add_option("--http-peers", arguments.http_peers, "ID=ADDRESS:PORT of all nodes, for HTTP")
      ->delimiter(',');
  app.add_option("--data", arguments.data, "the directory to keep everything in")->required();
  app.add_option("--bug", arguments.bugs, "switches a known bug on (repeatable)")->take_all();
  app.add_option("--election-ms", arguments.election_ms, "lower bound of the election timeout");
  app.add_option("--heartbeat-ms", arguments.heartbeat_ms, "time between heartbeats");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  if (const auto served = gameday::search::serve(arguments); !served) {
    gameday::search::log_line("cannot run: {}", served.error().message);
    return 1;
  }
  return 0;
}
