#include "sut/kv_client.h"

#include <thread>

#include "sut/mops.h"

namespace gameday::sut {

Json opening_balances() {
  constexpr int kAccounts = 5, kBalance = 100;
  Json balances = Json::object();
  for (int i = 0; i < kAccounts; ++i) balances[std::to_string(i)] = kBalance;
  return balances;
}

Json transferred(Json balances, const Json& transfer) {
  Json &from = balances[transfer.at("from").dump()], &to = balances[transfer.at("to").dump()];
  const auto amount = transfer.at("amount").get<std::int64_t>();
  if (from.get<std::int64_t>() < amount) return nullptr;
  from = from.get<std::int64_t>() - amount;
  to = to.get<std::int64_t>() + amount;
  return balances;
}

namespace {

// The keys of workloads that have one.
constexpr const char* kList = "list";
constexpr const char* kSum = "sum";
constexpr const char* kBank = "bank";

Json or_else(const Json& value, Json initial) {
  return value.is_null() ? std::move(initial) : value;
}

}  // namespace

KvClient::Outcome KvClient::locked(const Json&, const Locked&) {
  return {OpType::fail, "this store has no locks"};
}

Completion KvClient::invoke(const Op& op, Deadline deadline) {
  deadline_ = deadline;
  if (op.f == "txn") return txn(op.value);
  if (op.f == "read") return read(op.value);
  if (op.f == "cas") return cas(op.value);
  if (op.f == "add") return add(op.value);
  if (op.f == "transfer") return transfer(op.value);
  if (op.f != "write") return {OpType::fail, nullptr, "this client does not know " + op.f};
  const Outcome done = put("r" + op.value.at(0).dump(), op.value.at(1));
  return {done.type, nullptr, done.error};
}

Completion KvClient::read(const Json& what) {
  const auto failed = [](const Outcome& outcome) {
    return Completion{OpType::fail, nullptr, outcome.error};
  };
  if (workload_ == "set") {
    Json values = Json::array();
    if (const Outcome done = list("s", values); !done) return failed(done);
    return {OpType::ok, std::move(values), ""};
  }
  const std::string key = what.is_array()           ? "r" + what.at(0).dump()
                          : workload_ == "lock-set" ? kList
                          : workload_ == "counter"  ? kSum
                                                    : kBank;
  Snapshot seen;
  if (const Outcome done = look({key}, seen); !done) return failed(done);
  const Json& value = seen[key].value;
  if (what.is_array()) return {OpType::ok, {what.at(0), value}, ""};
  if (key == kList) return {OpType::ok, or_else(value, Json::array()), ""};
  return {OpType::ok, key == kSum ? or_else(value, 0) : or_else(value, opening_balances()), ""};
}

Completion KvClient::cas(const Json& value) {
  const std::string key = "r" + value.at(0).dump();
  Snapshot seen;
  Outcome done = get({key}, seen);
  if (done && seen[key].value != value.at(1).at(0))
    return {OpType::fail, nullptr, "it holds another value"};
  if (done) done = commit(seen, {{key, value.at(1).at(1)}});
  return {done.type, nullptr, done.error};
}

Completion KvClient::add(const Json& value) {
  Outcome done;
  if (workload_ == "lock-set") {
    done = locked(value, [&](std::chrono::duration<double> stopped) {
      Snapshot seen;
      if (Outcome read = get({kList}, seen); !read) return read;
      Json list = or_else(seen[kList].value, Json::array());
      list.push_back(value);
      std::this_thread::sleep_for(stopped);
      return put(kList, list);
    });
  } else if (workload_ == "counter") {
    Snapshot seen;
    done = get({kSum}, seen);
    if (done)
      done = commit(seen, {{kSum, or_else(seen[kSum].value, 0).get<std::int64_t>() +
                                      value.get<std::int64_t>()}});
  } else {
    done = put("s" + value.dump(), value);
  }
  return {done.type, nullptr, done.error};
}

Completion KvClient::transfer(const Json& value) {
  Snapshot seen;
  Outcome done = get({kBank}, seen);
  if (!done) return {OpType::fail, nullptr, done.error};
  Json balances = transferred(or_else(seen[kBank].value, opening_balances()), value);
  if (balances.is_null()) return {OpType::fail, nullptr, "not so much there"};
  done = commit(seen, {{kBank, std::move(balances)}});
  return {done.type, nullptr, done.error};
}

// Optimistic, as etcd's own software transactional memory: reads all keys at one moment, and writes
// if none has changed since.
Completion KvClient::txn(const Json& mops) {
  std::set<std::string> keys;
  for (const auto& key : keys_of(mops)) keys.insert("t" + key);
  Snapshot seen;
  Outcome done = get(keys, seen);
  if (!done) return {OpType::fail, nullptr, done.error};
  std::map<std::string, Json> state, writes;
  for (const auto& key : keys) state[key.substr(1)] = seen[key].value;
  Applied applied = apply(mops, std::move(state));
  for (auto& [key, value] : applied.changed) writes["t" + key] = std::move(value);
  if (!writes.empty()) done = commit(seen, writes);
  if (!done) return {done.type, nullptr, done.error};
  return {OpType::ok, std::move(applied.mops), ""};
}

}  // namespace gameday::sut
