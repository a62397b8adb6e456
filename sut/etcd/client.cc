#include <thread>

#include "sut/etcd/gateway.h"
#include "sut/kv_client.h"

namespace gameday::etcd {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint64_t kOnePausedOf = 8;

// Errors after which nothing has happened and nothing will: what was asked for was refused as a
// whole, before it was proposed (etcd, api/v3rpc/rpctypes/error.go).
bool refused(std::string_view error) {
  for (const std::string_view text :
       {"etcdserver: too many requests", "etcdserver: not capable",
        "etcdserver: requested lease not found", "etcdserver: key is not provided",
        "etcdserver: unhealthy cluster",
        "etcdserver: re-configuration failed due to not enough started members"})
    if (error.find(text) != std::string_view::npos) return true;
  return false;
}

}  // namespace

std::string encode(std::string_view bytes) {
  std::string text;
  unsigned bits = 0;
  int have = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 6;) text += kAlphabet[bits >> (have -= 6) & 63];
  }
  if (have > 0) text += kAlphabet[bits << (6 - have) & 63];
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::string decode(std::string_view text) {
  std::string bytes;
  unsigned bits = 0;
  int have = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(value);
    if ((have += 6) >= 8) bytes += static_cast<char>(bits >> (have -= 8) & 255);
  }
  return bytes;
}

std::int64_t number(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return 0;
  return found->is_string()
             ? std::strtoll(found->get_ref<const std::string&>().c_str(), nullptr, 10)
             : found->get<std::int64_t>();
}

Answer Gateway::call(const std::string& path, const Json& request, bool effect, Deadline deadline) {
  Answer answer;
  const auto response = http_.call({"POST", "/v3/" + path, request.dump(), {}}, deadline);
  const OpType unknown = effect ? OpType::info : OpType::fail;
  if (!response)
    return {response.error().sent ? unknown : OpType::fail, nullptr, response.error().message};
  answer.body = Json::parse(response->body, nullptr, false);
  if (response->status == 200 && answer.body.is_object()) {
    answer.type = OpType::ok;
    return answer;
  }
  answer.error = answer.body.is_object() ? answer.body.value("error", std::string())
                                         : response->body.substr(0, 200);
  answer.error = fmt::format("{} {}", response->status, answer.error);
  answer.type = refused(answer.error) ? OpType::fail : unknown;
  return answer;
}

namespace {

class EtcdClient final : public sut::KvClient {
 public:
  EtcdClient(const Node& node, const SystemOptions& options)
      : KvClient(options.workload),
        gateway_(node.address),
        serializable_(options.settings.at("reads") == "serializable"),
        lock_ttl_(options.settings.at("lock-ttl")),
        lock_pause_(std::stod(options.settings.at("lock-pause"))) {}

 private:
  Outcome call(const std::string& path, const Json& request, bool effect, Json& body) {
    Answer answer = gateway_.call(path, request, effect, deadline());
    body = std::move(answer.body);
    return {answer.type, std::move(answer.error)};
  }
  Outcome effect(const std::string& path, const Json& request) {
    Json ignored;
    return call(path, request, true, ignored);
  }
  static Json pair(const std::string& key, const Json& value) {
    return {{"key", encode(key)}, {"value", encode(value.dump())}};
  }
  static Json value_of(const Json& kv) {
    return Json::parse(decode(kv.value("value", std::string())), nullptr, false);
  }

  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot) override {
    return get(keys, snapshot, false);
  }
  Outcome look(const std::set<std::string>& keys, Snapshot& snapshot) override {
    return get(keys, snapshot, serializable_);
  }
  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot, bool serializable) {
    Json reads = Json::array(), body;
    for (const auto& key : keys) {
      Json range = {{"key", encode(key)}};
      if (serializable) range["serializable"] = true;
      reads.push_back({{"request_range", std::move(range)}});
    }
    if (Outcome done = call("kv/txn", {{"success", std::move(reads)}}, false, body); !done)
      return done;
    std::size_t i = 0;
    for (const auto& key : keys) {
      const Json kvs = body.at("responses")
                           .at(i++)
                           .value("response_range", Json::object())
                           .value("kvs", Json::array());
      snapshot[key] = kvs.empty()
                          ? Seen{nullptr, "0"}
                          : Seen{value_of(kvs[0]), std::to_string(number(kvs[0], "mod_revision"))};
    }
    return {};
  }

  Outcome put(const std::string& key, const Json& value) override {
    return effect("kv/put", pair(key, value));
  }

  Outcome commit(const Snapshot& snapshot, const std::map<std::string, Json>& writes) override {
    Json compare = Json::array(), puts = Json::array(), body;
    for (const auto& [key, seen] : snapshot)
      compare.push_back({{"key", encode(key)},
                         {"target", "MOD"},
                         {"result", "EQUAL"},
                         {"mod_revision", seen.version}});
    for (const auto& [key, value] : writes) puts.push_back({{"request_put", pair(key, value)}});
    Outcome done =
        call("kv/txn", {{"compare", std::move(compare)}, {"success", std::move(puts)}}, true, body);
    if (done && !body.value("succeeded", false)) return {OpType::fail, "it has changed since"};
    return done;
  }

  Outcome list(const std::string& prefix, Json& values) override {
    std::string end = prefix;
    ++end.back();
    Json body;
    const Outcome done =
        call("kv/range",
             {{"key", encode(prefix)}, {"range_end", encode(end)}, {"serializable", serializable_}},
             false, body);
    if (done)
      for (const Json& kv : body.value("kvs", Json::array())) values.push_back(value_of(kv));
    return done;
  }

  // The lock is a lease's, which ends while its holder is stopped (Jepsen: etcd 3.4.3).
  Outcome locked(const Json& element, const Locked& body) override {
    Json lease, lock;
    if (Outcome done = call("lease/grant", {{"TTL", lock_ttl_}}, false, lease); !done) return done;
    const Json id = lease.value("ID", std::string());
    Outcome done = call("lock/lock", {{"name", encode("lock")}, {"lease", id}}, false, lock);
    if (done) {
      const bool stopped = element.get<std::uint64_t>() % kOnePausedOf == 0;
      done = body(std::chrono::duration<double>(stopped ? lock_pause_ : 0));
    }
    (void)effect("lease/revoke", {{"ID", id}});
    return done;
  }

  Gateway gateway_;
  bool serializable_;
  std::string lock_ttl_;
  double lock_pause_;
};

}  // namespace

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options) {
  return std::make_unique<EtcdClient>(node, options);
}

}  // namespace gameday::etcd
