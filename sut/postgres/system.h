// PostgreSQL as its clients and probes see it, whoever decides which node is the primary.
#pragma once

#include "harness/core/system.h"

namespace gameday::postgres {

inline constexpr Setting kIsolation{"isolation", "read-committed|repeatable-read|serializable",
                                    "serializable", "of transactions"};
inline constexpr Setting kReads{"reads", "primary|any", "primary",
                                "any: answered by the node that is asked"};

// How its nodes are started is left to who inherits; among its settings are these two.
class ReplicatedSystem : public System {
 public:
  explicit ReplicatedSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return options_.kind->name; }
  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override;
  bool ready(const std::vector<Node>& all, Deadline deadline) const override;
  bool settled(const std::vector<Node>& all, Deadline deadline) const override;
  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>& all) const override;
  std::string endpoint(const Node& node) const override;
  std::chrono::seconds patience() const override { return std::chrono::seconds(90); }
  std::string promises() const override;

 protected:
  const std::string& setting(const char* key) const { return options_.settings.at(key); }

 private:
  const Node* in_step(const std::vector<Node>& all, Deadline deadline, bool positions) const;

  SystemOptions options_;
};

// It refuses to run as root, which is all that there is in an ordinary user's namespace.
std::vector<std::string> not_as_root(std::vector<std::string> argv);

}  // namespace gameday::postgres
