// Transactions that run one at a time, each at an instant between its invocation and its
// completion: strictly serializable. As in Elle's generator, each key takes so many writes and then
// makes room for a new one.
#pragma once

#include <string>

#include "checkers/bench/simulate.h"

namespace gameday::bench {

struct TransactionPlan {
  std::uint32_t shortest = 1, longest = 4;  // in ops
  std::uint32_t writes_per_key = 64;        // 0: keys stay
};

class Transactions {
 public:
  struct Op {
    bool write = false;
    std::uint32_t key = 0;
    std::int64_t value = kNone;  // of a register
    std::size_t length = 0;      // of a list's text, when it was read
  };
  struct Call {
    std::vector<Op> ops;
  };

  // Lists: every write is an append and every read shows all; else registers.
  Transactions(const Plan& plan, const TransactionPlan& lengths, bool lists, char separator)
      : lengths_(lengths), lists_(lists), separator_(separator) {
    for (std::uint32_t i = 0; i < plan.keys; ++i) active_.push_back(add_key());
  }

  Call invoke(Random& random) {
    Call call;
    call.ops.resize(lengths_.shortest + random.below(lengths_.longest - lengths_.shortest + 1));
    for (Op& op : call.ops) {
      std::uint32_t& key = active_[random.below(static_cast<std::uint32_t>(active_.size()))];
      op.write = random.coin();
      op.key = key;
      if (op.write) op.value = write_to(key);
    }
    return call;
  }
  bool changes(const Call&) const { return true; }
  bool apply(Call& call) {
    for (Op& op : call.ops) {
      Key& key = keys_[op.key];
      if (op.write) {
        key.value = op.value;
        if (lists_) append(key.text, op.value);
      } else {
        op.value = key.value;
        op.length = key.text.size();
      }
    }
    return true;
  }

  std::string_view f(const Call&) const { return "txn"; }
  void value(Text& text, const Call& call, bool answered) const {
    text.put('[');
    for (std::size_t i = 0; i < call.ops.size(); ++i) {
      const Op& op = call.ops[i];
      if (i > 0) text.comma();
      text.put('[');
      text.keyword(!op.write ? "r" : lists_ ? "append" : "w");
      text.comma();
      text.number(op.key);
      text.comma();
      if (op.write) {
        text.number(op.value);
      } else if (!answered || op.value == kNone) {
        text.null();
      } else if (lists_) {
        text.put('[');
        text.put(std::string_view(keys_[op.key].text).substr(0, op.length));
        text.put(']');
      } else {
        text.number(op.value);
      }
      text.put(']');
    }
    text.put(']');
  }

  // One transaction writes two keys, and another sees one of the writes but not the other: not even
  // read atomic. In this order (the new one first) it is not read committed, either.
  template <class Simulation>
  void violate(Simulation& simulation) {
    const std::uint32_t x = add_key(), y = add_key();
    const auto run = [&](std::vector<Op> ops) {
      Call call{std::move(ops)};
      apply(call);
      simulation.record(call);
      return call;
    };
    const auto write = [&](std::uint32_t key) { return Op{true, key, write_value(key)}; };
    run({write(x)});
    const Op old = run({{false, x}}).ops[0];
    run({{false, x}, write(x), write(y)});
    Call torn{{{false, y}, {false, x}}};
    apply(torn);
    torn.ops[1] = old;
    simulation.record(torn);
    run({{false, x}, {false, y}});
  }
  template <class Simulation>
  void finish(Simulation&) {}

 private:
  static constexpr std::int64_t kNone = -1;
  struct Key {
    std::int64_t value = kNone;
    std::uint32_t writes = 0;  // asked for, not done
    std::string text;          // the list, as a read shows it
  };

  std::uint32_t add_key() {
    keys_.emplace_back();
    return static_cast<std::uint32_t>(keys_.size() - 1);
  }
  std::int64_t write_value(std::uint32_t key) {
    const std::uint32_t number = ++keys_[key].writes;
    return lengths_.writes_per_key > 0 ? number : ++next_;
  }
  std::int64_t write_to(std::uint32_t& key) {
    const std::int64_t value = write_value(key);
    if (keys_[key].writes == lengths_.writes_per_key) key = add_key();
    return value;
  }
  void append(std::string& list, std::int64_t value) const {
    if (!list.empty()) list.push_back(separator_);
    list += std::to_string(value);
  }

  TransactionPlan lengths_;
  bool lists_;
  char separator_;
  std::vector<Key> keys_;
  std::vector<std::uint32_t> active_;  // which of them are in use now
  std::int64_t next_ = 0;
};

}  // namespace gameday::bench
