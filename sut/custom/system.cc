#include <deque>
#include <thread>

#include "sut/connection.h"
#include "sut/custom/definition.h"
#include "sut/http/http_client.h"

namespace gameday::custom {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class CustomSystem final : public System {
 public:
  CustomSystem(const Definition& definition, SystemOptions options)
      : d_(definition), options_(std::move(options)) {}

  std::string_view name() const override { return d_.name; }
  std::chrono::seconds patience() const override { return std::chrono::seconds{d_.patience}; }
  std::string promises() const override { return d_.promises; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    ProcessSpec spec{filled_in(d_.command, node, all), {}};
    for (const auto& [name, value] : d_.environment)
      spec.environment[name] = filled_in({value}, node, all)[0];
    return spec;
  }

  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    if (!passes(d_.ready, node, {node}, deadline)) return std::nullopt;
    NodeStatus status;
    status.primary = d_.primary && passes(*d_.primary, node, {node}, deadline);
    status.raw = Json::object();
    return status;
  }

  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    for (const auto& node : all)
      if (!passes(d_.ready, node, all, deadline)) return wait_a_little();
    return true;
  }

  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    for (const auto& node : all)
      if (!passes(d_.settled ? *d_.settled : d_.ready, node, all, deadline)) return wait_a_little();
    std::this_thread::sleep_for(std::chrono::duration<double>(d_.settle_seconds));
    return true;
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>& all) const override {
    return make_client(filled_in(d_.client, node, all), node, all, options_.workload);
  }

 private:
  static bool wait_a_little() {
    std::this_thread::sleep_for(50ms);
    return false;
  }

  // That all templates are known was seen when the system was made.
  std::vector<std::string> filled_in(const std::vector<std::string>& texts, const Node& node,
                                     const std::vector<Node>& all) const {
    std::vector<std::string> result;
    for (const auto& text : texts)
      result.push_back(custom::filled_in(text, {d_, options_.settings, node, all}).value_or(text));
    return result;
  }

  bool passes(const Check& check, const Node& node, const std::vector<Node>& all,
              Deadline deadline) const {
    if (check.tcp) return sut::Connection().open(node.address, *check.tcp, deadline).has_value();
    if (!check.http) return succeeds(filled_in(check.command, node, all), deadline);
    http::Client client(node.address, check.http->port);
    const auto answer = client.call({"GET", check.http->path, {}, {}}, deadline);
    return answer && answer->status == check.http->status &&
           answer->body.find(check.http->contains) != std::string::npos;
  }

  const Definition& d_;
  SystemOptions options_;
};

// Every template of the file, filled in for a node that might be: what is wrong is said before
// anything starts.
Status check_templates(const Definition& d, const Settings& settings) {
  const std::vector<Node> all{{"n1", "10.77.0.1", "/data"}, {"n2", "10.77.0.2", "/data"}};
  const auto check = [&](const std::string& field, const std::string& text) -> Status {
    const auto filled = filled_in(text, {d, settings, all[0], all});
    return filled ? Status() : fail("{}: {}", field, filled.error().message);
  };
  std::vector<std::pair<std::string, std::string>> texts;
  const auto add = [&](const std::string& field, const std::vector<std::string>& words) {
    for (const auto& word : words) texts.emplace_back(field, word);
  };
  add("node.command", d.command);
  add("client.command", d.client);
  add("ready.command", d.ready.command);
  if (d.primary) add("primary.command", d.primary->command);
  if (d.settled) add("settled.command", d.settled->command);
  for (const auto& [name, value] : d.environment)
    texts.emplace_back("node.environment." + name, value);
  for (const auto& [field, text] : texts)
    if (auto checked = check(field, text); !checked) return checked;
  return {};
}

// What the kind's function pointer cannot carry.
struct Known {
  std::filesystem::path file;
  Definition definition;
  std::vector<Setting> settings;
  SystemKind kind;
};
std::deque<Known>& known() {
  static std::deque<Known> all;
  return all;
}

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  const auto own = std::ranges::find(known(), options.kind, [](const Known& k) { return &k.kind; });
  return std::unique_ptr<System>(std::make_unique<CustomSystem>(own->definition, options));
}

}  // namespace

Result<const SystemKind*> kind_of(const std::filesystem::path& file) {
  auto definition = load(file);
  if (!definition) return tl::make_unexpected(definition.error());
  Known& k = known().emplace_back(Known{file, std::move(*definition), {}, {}});
  const Definition& d = k.definition;
  for (const auto& s : d.settings) k.settings.push_back({s.name, s.values, s.initial, s.meaning});
  k.kind = {d.name, d.summary, d.workloads, "", k.settings, make};
  Settings settings;
  for (const auto& s : d.settings) {
    settings[s.name] = s.initial;
    if (const auto good = check({s.name, s.values, s.initial, s.meaning}, s.initial); !good)
      return fail("{}: settings.{}.initial {}", file.string(), s.name, good.error().message);
  }
  if (auto checked = check_templates(d, settings); !checked)
    return fail("{}: {}", file.string(), checked.error().message);
  return &k.kind;
}

}  // namespace gameday::custom
