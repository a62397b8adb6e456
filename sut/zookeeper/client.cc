#include "sut/kv_client.h"
#include "sut/zookeeper/jute.h"

namespace gameday::zookeeper {
namespace {

constexpr std::size_t kStat = 68;       // bytes of a Stat,
constexpr std::size_t kVersionAt = 32;  // of which the version is after four longs
constexpr std::size_t kAtOnce = 1'000;  // reads, far below jute.maxbuffer

std::string path_of(const std::string& key) { return "/" + key; }

std::string create(const std::string& key, const Json& value) {
  return Writer()
      .text(path_of(key))
      .text(value.dump())
      .i32(1)         // one entry of its ACL:
      .i32(31)        // everything
      .text("world")  // to
      .text("anyone")
      .i32(0)  // neither ephemeral nor sequential
      .bytes();
}

std::string set(const std::string& key, const Json& value, std::int32_t version) {
  return Writer().text(path_of(key)).text(value.dump()).i32(version).bytes();
}

std::string at_version(const std::string& key, std::int32_t version) {
  return Writer().text(path_of(key)).i32(version).bytes();
}

// A MultiTransactionRecord: each with a header of type, done, error.
class Multi {
 public:
  Multi& add(Call call, const std::string& body) {
    bytes_ += Writer().i32(static_cast<std::int32_t>(call)).i8(0).i32(-1).bytes() + body;
    return *this;
  }
  std::string bytes() const { return bytes_ + Writer().i32(-1).i8(1).i32(-1).bytes(); }

 private:
  std::string bytes_;
};

class ZookeeperClient final : public sut::KvClient {
 public:
  ZookeeperClient(const Node& node, const SystemOptions& options)
      : KvClient(options.workload),
        reads_(node.address),
        writes_(node.address),
        first_(options.settings.at("reads")) {}

 private:
  // Errors down to kApiError are of the system: nobody says what had happened until then.
  static Outcome outcome(const Reply& reply, bool effect) {
    if (reply.ok()) return {};
    const bool refused = reply.error.empty() ? reply.code <= kApiError : !reply.sent;
    return {effect && !refused ? OpType::info : OpType::fail,
            reply.error.empty() ? fmt::format("error {}", reply.code) : reply.error};
  }

  // A session is a queue: what is read has seen what was asked for before it, on this server.
  Reply read(Call call, std::string body, std::string_view first) {
    std::vector<Request> requests;
    if (first == "quorum") requests.push_back(touch());
    if (first == "sync") requests.push_back({Call::sync, Writer().text("/").bytes()});
    requests.push_back({call, std::move(body)});
    return reads_.call(requests, deadline());
  }

  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot) override {
    return get(keys, snapshot, first_);
  }
  // A multi-read: a server applies no transaction while it answers one (CommitProcessor).
  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot, std::string_view first) {
    Multi multi;
    for (const auto& key : keys)
      multi.add(Call::get_data, Writer().text(path_of(key)).i8(0).bytes());
    const Reply reply = read(Call::multi_read, multi.bytes(), first);
    if (!reply.ok()) return outcome(reply, false);
    Reader reader(reply.body);
    for (const auto& key : keys) {
      const std::int32_t type = reader.i32();
      reader.skip(5);
      if (type == static_cast<std::int32_t>(Call::get_data)) {
        const Json value = Json::parse(reader.text(), nullptr, false);
        reader.skip(kVersionAt);
        snapshot[key] = {value, std::to_string(reader.i32())};
        reader.skip(kStat - kVersionAt - 4);
      } else if (const std::int32_t code = reader.i32(); code == kNoNode) {
        snapshot[key] = {};
      } else {
        return {OpType::fail, fmt::format("error {}", code)};
      }
    }
    if (!reader.ok()) return {OpType::fail, "an answer that is too short"};
    return {};
  }

  Outcome put(const std::string& key, const Json& value) override {
    const auto write = [&](Call call, std::string body) {
      return writes_.call({{call, std::move(body)}}, deadline());
    };
    Reply reply = write(Call::set_data, set(key, value, kAnyVersion));
    if (reply.code == kNoNode) reply = write(Call::create, create(key, value));
    if (reply.code == kNodeExists) reply = write(Call::set_data, set(key, value, kAnyVersion));
    return outcome(reply, true);
  }

  Outcome commit(const Snapshot& snapshot, const std::map<std::string, Json>& writes) override {
    Multi multi;
    for (const auto& [key, seen] : snapshot) {
      const auto write = writes.find(key);
      const std::int32_t version = seen.version.empty() ? 0 : std::stoi(seen.version);
      if (seen.version.empty()) {
        multi.add(Call::create, create(key, write == writes.end() ? Json() : write->second));
        // That there is none can only be checked by making it.
        if (write == writes.end()) multi.add(Call::remove, at_version(key, 0));
      } else if (write == writes.end()) {
        multi.add(Call::check, at_version(key, version));
      } else {
        multi.add(Call::set_data, set(key, write->second, version));
      }
    }
    const Reply reply = writes_.call({{Call::multi, multi.bytes()}}, deadline());
    if (!reply.ok()) return outcome(reply, true);
    // One that failed fails all, and then all are errors.
    if (Reader(reply.body).i32() == -1) return {OpType::fail, "it has changed since"};
    return {};
  }

  Outcome list(const std::string& prefix, Json& values) override {
    const Reply reply = read(Call::get_children, Writer().text("/").i8(0).bytes(), first_);
    if (!reply.ok()) return outcome(reply, false);
    Reader reader(reply.body);
    std::set<std::string> keys;
    for (std::int32_t left = reader.i32(); left >= 0 && reader.ok(); --left) {
      if (left > 0)
        if (const std::string_view key = reader.text(); key.starts_with(prefix)) keys.emplace(key);
      if (left > 0 && keys.size() < kAtOnce) continue;
      Snapshot snapshot;
      if (Outcome done = get(keys, snapshot, "local"); !done) return done;
      for (auto& [key, seen] : snapshot) values.push_back(std::move(seen.value));
      keys.clear();
    }
    if (!reader.ok()) return {OpType::fail, "an answer that is too short"};
    return {};
  }

  // Two, because a session is a queue: a read would wait for a write before it that a node without
  // a leader cannot do.
  Session reads_, writes_;
  std::string first_;  // what goes before a read: the setting
};

}  // namespace

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options) {
  return std::make_unique<ZookeeperClient>(node, options);
}

}  // namespace gameday::zookeeper
