#include "checkers/txn/list_append.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <new>
#include <thread>

#include "checkers/txn/key_check.h"

namespace gameday::txn {
namespace {

// Why one transaction of list-append depends on another, found again when it is to be worded.
class Why {
 public:
  Why(const MopsByKey& all, const Transactions& transactions)
      : all_(all), transactions_(transactions), order_(all) {}

  Reason operator()(Node from, Node to, Relations relation, const std::string& from_name,
                    const std::string& to_name) {
    for (const std::size_t key : keys_of(to)) {
      order_.load(key);
      if (order_.appended_twice() != kNobody) continue;
      for (std::size_t i = 0; i < order_.mops().size(); ++i) {
        const Mop& mop = order_.mops()[i];
        if (transactions_.of_pair(mop.pair) != to) continue;
        Reason reason = relation == kWr   ? observed(from, mop, from_name, to_name)
                        : !mop.append()   ? Reason()
                        : relation == kWw ? overwrote(from, i, from_name, to_name)
                                          : missed(from, i, from_name, to_name);
        if (!reason.text.empty()) return reason;
      }
    }
    return {fmt::format("of a {} dependency", relation_name(relation)), Json::object()};
  }

 private:
  std::vector<std::size_t> keys_of(Node node) const {
    std::vector<std::size_t> keys;
    const Events& events = all_.events();
    const Value txn = events.value(transactions_.row(node)).is_nil()
                          ? events.value(transactions_.pair(node).invoke)
                          : events.value(transactions_.row(node));
    for (const Value mop : events.values().items(txn))
      keys.push_back(static_cast<std::size_t>(all_.find(events.values().items(mop)[1])));
    return keys;
  }
  std::string text(Value v) const { return all_.events().values().edn(v); }
  Json json(Value v) const { return all_.events().values().json(v); }
  bool is(std::int32_t mop, Node node) const {
    return mop != kNobody &&
           transactions_.of_pair(order_.mops()[static_cast<std::size_t>(mop)].pair) == node;
  }

  Reason observed(Node from, const Mop& read, const std::string& from_name,
                  const std::string& to_name) {
    if (!order_.reads(read) || order_.list(read).empty()) return {};
    const Value last = order_.list(read).back();
    if (!is(order_.find(last), from)) return {};
    return {fmt::format("{} read {}, which {} appended to {}", to_name, text(last), from_name,
                        text(order_.key())),
            {{"key", json(order_.key())}, {"value", json(last)}}};
  }

  // The position that an append followed on; -1: the empty list.
  std::int64_t previous(std::size_t append) const {
    const std::int32_t at = order_.position(append);
    return (at >= 0 ? at : static_cast<std::int64_t>(order_.positions())) - 1;
  }

  Reason overwrote(Node from, std::size_t append, const std::string& from_name,
                   const std::string& to_name) {
    const std::int64_t before = previous(append);
    if (before < 0 || !is(order_.appender(static_cast<std::size_t>(before)), from)) return {};
    const Value old = order_.element(static_cast<std::size_t>(before));
    const Value now = order_.mops()[append].value;
    return {fmt::format("{} appended {} to {} after {} had appended {}", to_name, text(now),
                        text(order_.key()), from_name, text(old)),
            {{"key", json(order_.key())}, {"value", json(old)}, {"value'", json(now)}}};
  }

  Reason missed(Node from, std::size_t append, const std::string& from_name,
                const std::string& to_name) {
    const std::int64_t before = previous(append);
    for (const Mop& read : order_.mops()) {
      if (!order_.reads(read) || transactions_.of_pair(read.pair) != from) continue;
      if (order_.state(order_.list(read)) != before + 1) continue;
      const Value now = order_.mops()[append].value;
      Json old = "init";
      if (before >= 0) old = json(order_.element(static_cast<std::size_t>(before)));
      return {fmt::format("{} read {} as {}, without {}, which {} appended", from_name,
                          text(order_.key()), text(read.value), text(now), to_name),
              {{"key", json(order_.key())}, {"value", old}, {"value'", json(now)}}};
    }
    return {};
  }

  const MopsByKey& all_;
  const Transactions& transactions_;
  KeyOrder order_;
};

struct Part {
  std::vector<RawEdge> edges;
  Anomalies anomalies;
  bool out_of_memory = false;
};

// Keys first .. last - 1 of a part; parts are about equally many micro-operations.
std::vector<std::size_t> divide(const MopsByKey& all, std::size_t parts) {
  std::vector<std::size_t> firsts = {0};
  std::size_t mops = 0;
  for (std::size_t k = 0; k < all.keys(); ++k) {
    if (mops >= all.size() * firsts.size() / parts && firsts.size() < parts && k > firsts.back())
      firsts.push_back(k);
    mops += all.mops(k).size();
  }
  firsts.push_back(all.keys());
  return firsts;
}

// All keys, several at a time.
std::vector<Part> check_keys(const MopsByKey& all, const Transactions& transactions,
                             const Limits& limits, std::atomic<Node>& joints,
                             const char*& expired) {
  const auto firsts = divide(all, std::max(1u, limits.threads));
  std::vector<Part> parts(firsts.size() - 1);
  std::atomic<const char*> reason = nullptr;
  std::atomic<std::size_t> edges = 0;
  const auto work = [&](std::size_t p) {
    try {
      KeyCheck check(all, transactions, parts[p].edges, joints, parts[p].anomalies);
      // About one and a half of them a micro-operation: growing from little would copy them.
      const std::size_t expected = all.size() / parts.size() * 3 / 2;
      if (expected * sizeof(RawEdge) * parts.size() < limits.memory_bytes / 8)
        parts[p].edges.reserve(expected);
      std::size_t steps = 0, counted = 0;
      for (std::size_t k = firsts[p]; k < firsts[p + 1] && reason == nullptr; ++k) {
        check.run(k);
        steps += all.mops(k).size();
        if (steps < 0x4000) continue;
        steps = 0;
        edges += parts[p].edges.size() - counted;
        counted = parts[p].edges.size();
        if (edges * (2 * sizeof(RawEdge) + 5) + all.size() * sizeof(Mop) > limits.memory_bytes)
          reason = "the limit of memory is reached";
        if (const char* why = limits.expired(); why != nullptr) reason = why;
      }
    } catch (const std::bad_alloc&) {
      parts[p].out_of_memory = true;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t p = 1; p < parts.size(); ++p) threads.emplace_back(work, p);
    work(0);
  }
  for (const Part& part : parts)
    if (part.out_of_memory) throw std::bad_alloc();
  expired = reason;
  return parts;
}

}  // namespace

CheckResult check_list_append(const ModelInput& input) {
  const Wanted wanted(input.options);
  const Events& events = input.events;
  Anomalies anomalies;
  const MopsByKey all(events, input.limits);
  const Transactions transactions(events, [](const Pair& p) { return p.outcome != OpType::fail; });
  const char* expired = all.expired();
  std::atomic<Node> joints = static_cast<Node>(transactions.size());
  std::vector<std::vector<RawEdge>> edges;
  if (expired == nullptr) {
    auto parts = check_keys(all, transactions, input.limits, joints, expired);
    for (Part& part : parts) {
      anomalies.merge(std::move(part.anomalies));
      edges.push_back(std::move(part.edges));
    }
  }
  std::size_t edge_count = 0;
  if (expired != nullptr) {
    anomalies.unknown(fmt::format("{} before all keys were looked at", expired));
  } else {
    const Graph graph(joints, std::move(edges));
    edge_count = graph.edges();
    if (graph.edges() == 0 && !transactions.orders_any(wanted.order()))
      anomalies.unknown("no transaction depends on another, so nothing could be seen to go wrong",
                        "empty-transaction-graph");
    Why why(all, transactions);
    find_cycles(transactions, graph, wanted.order(), std::ref(why), input.limits, anomalies);
  }
  CheckResult result =
      conclude(std::move(anomalies), wanted,
               fmt::format("{} transactions over {} keys, nothing that {} rules out",
                           transactions.size(), all.keys(), fmt::join(wanted.models(), " and ")));
  result.stats = {{"transactions", transactions.size()},
                  {"keys", all.keys()},
                  {"micro-operations", all.size()},
                  {"dependencies", edge_count}};
  return result;
}

}  // namespace gameday::txn
