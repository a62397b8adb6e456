// A system that somebody describes in a file: FORMAT.md says how.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/system.h"

namespace gameday::custom {

// How to see whether a node is as it should be: one of these.
struct Check {
  std::optional<std::uint16_t> tcp;  // somebody listens on this port
  struct Http {
    std::uint16_t port = 0;
    std::string path = "/";
    int status = 200;
    std::string contains;  // what the answer's body must have in it
  };
  std::optional<Http> http;
  std::vector<std::string> command;  // exits with 0
};

struct Definition {
  std::string name, summary, workloads, promises;
  std::filesystem::path folder;  // of the file: {folder}
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;
  Check ready;
  std::optional<Check> primary, settled;
  double settle_seconds = 2;
  std::int64_t patience = 20;  // s
  std::vector<std::string> client;
  struct OwnSetting {
    std::string name, values, initial, meaning;
  };
  std::vector<OwnSetting> settings;
};

// An Error names the file, and the field that is wrong.
Result<Definition> load(const std::filesystem::path& file);

// What a template may say of a node: {name} {index} {address} {data} {folder}, {set:KEY},
// {nodes:TEXT} and {peers:TEXT}, where TEXT is said once for each node (each other node), with
// NAME, INDEX and ADDRESS in it replaced, and joined by commas. {{ is a brace. An Error names what
// is between braces and is none of these.
struct Scene {
  const Definition& definition;
  const Settings& settings;
  const Node& node;
  const std::vector<Node>& all;
};
Result<std::string> filled_in(const std::string& text, const Scene& scene);

// The kind that a file defines; it lives as long as the program.
Result<const SystemKind*> kind_of(const std::filesystem::path& file);

// A client that is a process of its own: one JSON object a line, as FORMAT.md says.
std::unique_ptr<Client> make_client(std::vector<std::string> argv, const Node& node,
                                    const std::vector<Node>& all, const std::string& workload);

// Whether a command ends with 0 by the deadline.
bool succeeds(const std::vector<std::string>& argv, Deadline deadline);

}  // namespace gameday::custom
