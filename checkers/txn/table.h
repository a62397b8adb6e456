// A history of transactions over a table: rows that are inserted, written, deleted, read by key and
// read by predicate, with what a predicate read did not return taken as an answer too. After the
// closed-predicate histories of jepsen-io/elle (src/elle/closed_predicate.clj, 2023), whose
// micro-operations are [:insert k v], [:w k v], [:delete k], [:r k v] and [:rp predicate {k v
// ...}], and whose operation {:f :init, :value {k v ...}} gives the rows to begin with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "checkers/model.h"
#include "checkers/txn/graph.h"

namespace gameday::txn {

// :true, [:= v] or [:mod m r].
struct Predicate {
  enum class Kind : std::uint8_t { all, equals, mod };
  Kind kind = Kind::all;
  Value value;  // equals
  std::int64_t modulus = 1, remainder = 0;
};

class Table {
 public:
  struct Mop {
    enum class Kind : std::uint8_t { write, erase, read, select };
    Kind kind;
    std::uint32_t target;   // the key; of select: the predicate
    std::uint32_t version;  // of write and erase: what it made
    std::uint32_t count;    // of select: rows returned, from `first` on
    std::uint64_t first;
    Value value;  // read; nil: no such row
    bool changes() const { return kind == Kind::write || kind == Kind::erase; }
  };
  struct Row {
    std::uint32_t key;
    Value value;
  };
  // What there is of a key at some time. Version k, of key k, is the unborn one.
  struct State {
    std::uint32_t key;
    Node writer;       // kNone: unborn
    Value value;       // nil: unborn or deleted
    std::size_t hash;  // of the value
    bool last = true;  // its writer left it so
  };

  // Throws std::invalid_argument, with the row, for what is no such history.
  Table(const Events& events, const Limits& limits);

  const Events& events() const { return *events_; }
  std::size_t size() const { return pairs_.size(); }  // transactions, failed ones too
  std::size_t keys() const { return keys_.size(); }
  std::size_t mop_count() const { return mops_.size(); }
  const Pair& pair(Node t) const { return events_->pairs()[pairs_[t]]; }
  std::uint32_t pair_index(Node t) const { return pairs_[t]; }
  bool ok(Node t) const { return pair(t).outcome == OpType::ok; }
  bool failed(Node t) const { return pair(t).outcome == OpType::fail; }
  // Reads of transactions that are not ok are left out.
  std::span<const Mop> mops(Node t) const {
    return std::span(mops_).subspan(firsts_[t], firsts_[t + 1] - firsts_[t]);
  }
  std::span<const Row> rows(const Mop& select) const {
    return std::span(rows_).subspan(select.first, select.count);
  }
  std::size_t states() const { return states_.size(); }
  const State& state(std::uint32_t v) const { return states_[v]; }
  // All states of a key that transactions left and that may have been committed, and the unborn one
  // unless the table began with the key.
  std::span<const std::uint32_t> installed(std::uint32_t key) const {
    return std::span(installed_)
        .subspan(installed_firsts_[key], installed_firsts_[key + 1] - installed_firsts_[key]);
  }
  // All other states that a write made: of failed transactions, or overwritten by their own.
  std::span<const std::uint32_t> hidden(std::uint32_t key) const {
    return std::span(hidden_).subspan(hidden_firsts_[key],
                                      hidden_firsts_[key + 1] - hidden_firsts_[key]);
  }
  // Of installed() or hidden(), those that may have this value; equal() tells for certain.
  std::span<const std::uint32_t> of_value(std::span<const std::uint32_t> states, Value value) const;
  // What the table began with: the unborn state, or what :init wrote.
  std::uint32_t initial(std::uint32_t key) const { return initial_[key]; }

  std::size_t predicates() const { return predicates_.size(); }
  bool matches(std::uint32_t predicate, Value value) const;  // nil never does
  bool equal(Value a, Value b) const { return events_->values().equal(a, b); }

  // Sentences on what keeps a history from being judged as a whole: values written more than once.
  const std::vector<std::string>& unknowns() const { return unknowns_; }

  // For people.
  std::int64_t op(Node t) const { return events_->index(row(t)); }
  std::size_t row(Node t) const;
  std::string key_text(std::uint32_t key) const { return events_->values().edn(key_value(key)); }
  Json key_json(std::uint32_t key) const { return events_->values().json(key_value(key)); }
  std::string text(Value v) const { return events_->values().edn(v); }
  std::string state_text(std::uint32_t v) const;
  Json state_json(std::uint32_t v) const;
  std::string mop_text(const Mop& m) const;

 private:
  Value key_value(std::uint32_t key) const { return keys_.value(static_cast<std::int32_t>(key)); }
  void decode(const Limits& limits);
  void decode_init(const Pair& pair);
  void decode_mop(Value mop, bool reads, std::size_t row);
  std::uint32_t predicate(Value value, std::size_t row);
  void decode_rows();
  std::uint32_t key_of_row(Value key);
  void number_states();
  void index_states();
  std::size_t hash_of(Value value) const { return events_->values().hash(value); }
  void sort_by_value(std::vector<std::uint32_t>& all, const std::vector<std::uint64_t>& firsts,
                     std::uint32_t key) const;
  void note_repeated_values(std::uint32_t key);

  const Events* events_;
  Dense keys_, predicate_values_;
  std::vector<Predicate> predicates_;
  std::vector<std::uint32_t> pairs_;
  std::vector<std::uint64_t> firsts_;
  std::vector<Mop> mops_;
  std::vector<Row> rows_;
  std::vector<State> states_;
  std::vector<std::uint32_t> initial_;
  std::vector<Node> inits_;
  std::vector<std::uint32_t> installed_, hidden_;
  std::vector<std::uint64_t> installed_firsts_, hidden_firsts_;
  std::vector<std::string> unknowns_;
};

}  // namespace gameday::txn
