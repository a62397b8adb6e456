#include "checkers/txn/table_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <unordered_map>

namespace gameday::txn {
namespace {

using Mop = Table::Mop;

class TableJudge {
 public:
  TableJudge(const Table& table, const Limits& limits, Anomalies& anomalies)
      : table_(table),
        limits_(limits),
        anomalies_(anomalies),
        known_at_(table.keys(), kNone),
        known_(table.keys()),
        written_at_(table.keys(), kNone),
        returned_at_(table.keys(), 0) {}

  std::vector<Selected> run() {
    for (t_ = 0; t_ < table_.size(); ++t_) {
      if (!table_.ok(t_)) continue;
      if (const char* why = expired()) {
        anomalies_.unknown(fmt::format("{} before all reads were looked at", why));
        break;
      }
      touched_.clear();
      selects_.clear();
      changed_.clear();
      for (const Mop& m : table_.mops(t_)) {
        if (!m.changes() || written_at_[m.target] == t_) continue;
        written_at_[m.target] = t_;
        changed_.push_back(m.target);
      }
      for (const Mop& m : table_.mops(t_)) step(m);
    }
    return std::move(selected_);
  }

 private:
  struct Left {  // a key that a predicate read leaves out
    std::uint32_t key;
    std::uint32_t state;  // the one that it must have selected; kNone: there is none
  };
  static constexpr std::uint32_t kSeveral = kNone - 1;

  const char* expired() {
    work_ += table_.mops(t_).size();
    if (work_ < 0x4000) return nullptr;
    work_ = 0;
    if (selected_.size() * 4 * sizeof(Selected) > limits_.memory_bytes) throw std::bad_alloc();
    return limits_.expired();
  }

  void step(const Mop& m) {
    if (m.changes()) return know(m.target, m.value);
    if (m.kind == Mop::Kind::select) return select(m);
    if (!knows(m.target)) return external(m, m.target, m.value);
    if (!table_.equal(known_[m.target], m.value)) internal(m, m.target, known_[m.target]);
  }

  bool knows(std::uint32_t key) const { return known_at_[key] == t_; }
  void know(std::uint32_t key, Value value) {
    if (!knows(key)) touched_.push_back(key);
    known_at_[key] = t_;
    known_[key] = value;
  }
  bool returned(std::uint32_t key) const { return returned_at_[key] == select_number_; }

  void select(const Mop& m) {
    ++select_number_;
    for (const Table::Row& row : table_.rows(m)) {
      returned_at_[row.key] = select_number_;
      if (!table_.matches(m.target, row.value))
        mismatch(m, row);
      else if (!knows(row.key))
        external(m, row.key, row.value);
      else if (!table_.equal(known_[row.key], row.value))
        internal(m, row.key, known_[row.key]);
    }
    for (const std::uint32_t key : touched_)
      if (!returned(key) && table_.matches(m.target, known_[key])) internal(m, key, known_[key]);
    const auto& all = left_out(m.target);
    work_ += all.size();
    for (const Left& left : all)
      if (!returned(left.key) && !knows(left.key) && written_at_[left.key] != t_)
        leave_out(m, left);
    for (const std::uint32_t key : changed_)
      if (!returned(key) && !knows(key))
        if (const Left left{key, only_left_out(m.target, key, t_)}; left.state != kSeveral)
          leave_out(m, left);
    selects_.push_back(&m);
  }

  // Its first look at a key, by key or by predicate.
  void external(const Mop& m, std::uint32_t key, Value value) {
    know(key, value);
    for (const Mop* before : selects_)
      if (table_.matches(before->target, value)) return internal(m, key, {});
    std::uint32_t found = kNone, own = kNone;
    for (const std::uint32_t v : table_.of_value(table_.installed(key), value)) {
      if (!table_.equal(table_.state(v).value, value)) continue;
      if (table_.state(v).writer == t_)
        own = v;
      else
        found = found == kNone ? v : kSeveral;
    }
    if (found == kSeveral) return;
    if (found != kNone) return add(m, found);
    std::uint32_t hidden = kNone;
    for (const std::uint32_t v : table_.of_value(table_.hidden(key), value))
      if (table_.equal(table_.state(v).value, value))
        (table_.state(v).writer == t_ ? own : hidden) = v;
    if (hidden != kNone) return unfinished(m, hidden);
    if (own != kNone) return future(m, key);
    if (value.is_nil()) return add(m, key);  // before what the table is said to have begun with
    never_written(m, key, value);
  }

  void leave_out(const Mop& m, const Left& left) {
    if (left.state == kNone) return miss(m, left.key);
    add(m, left.state);
  }

  void add(const Mop& m, std::uint32_t state) {
    selected_.push_back({t_, static_cast<std::uint32_t>(&m - table_.mops(t_).data()), state,
                         m.kind == Mop::Kind::select});
  }

  // The only state of the key, of others than t, that does not match; kNone, kSeveral.
  std::uint32_t only_left_out(std::uint32_t predicate, std::uint32_t key, Node t) const {
    std::uint32_t only = kNone;
    for (const std::uint32_t v : table_.installed(key)) {
      if (table_.state(v).writer == t && t != kNone) continue;
      if (table_.matches(predicate, table_.state(v).value)) continue;
      if (only != kNone) return kSeveral;
      only = v;
    }
    return only;
  }

  const std::vector<Left>& left_out(std::uint32_t predicate) {
    constexpr std::size_t kKept = 1 << 20;
    const auto found = left_out_.find(predicate);
    if (found != left_out_.end()) return found->second;
    if (kept_ > kKept) left_out_.clear(), kept_ = 0;
    auto& all = left_out_[predicate];
    for (std::uint32_t key = 0; key < table_.keys(); ++key)
      if (const std::uint32_t only = only_left_out(predicate, key, kNone); only != kSeveral)
        all.push_back({key, only});
    kept_ += all.size();
    work_ += table_.states();
    return all;
  }

  void report(std::string_view type, const Mop& m, std::uint32_t key, Node other, const auto& say) {
    anomalies_.add(type, [&] {
      Anomaly a;
      a.summary = fmt::format("op {} read {}{}", table_.op(t_), table_.mop_text(m), say());
      a.ops = {table_.op(t_)};
      a.explanation = {fmt::format("Reader: {}", table_.events().describe(table_.row(t_)))};
      if (other != kNone) {
        a.ops.push_back(table_.op(other));
        a.explanation.push_back(
            fmt::format("Writer: {}", table_.events().describe(table_.row(other))));
      }
      a.detail = {{"key", table_.key_json(key)}, {"mop", table_.mop_text(m)}};
      return a;
    });
  }
  // `expected` nil: it is not there.
  void internal(const Mop& m, std::uint32_t key, Value expected) {
    report("internal", m, key, kNone, [&] {
      return fmt::format(" where its own earlier operations imply {}",
                         expected.is_nil()
                             ? fmt::format("another answer about key {}", table_.key_text(key))
                             : fmt::format("{} = {}", table_.key_text(key), table_.text(expected)));
    });
  }
  void mismatch(const Mop& m, const Table::Row& row) {
    report("predicate-read-mismatch", m, row.key, kNone, [&] {
      return fmt::format(", and {} = {} does not match that predicate", table_.key_text(row.key),
                         table_.text(row.value));
    });
  }
  void miss(const Mop& m, std::uint32_t key) {
    report("predicate-read-miss", m, key, kNone, [&] {
      std::string all;
      for (const std::uint32_t v : table_.installed(key))
        if (table_.state(v).writer != t_ && all.size() < 200)
          all += (all.empty() ? "" : ", ") + table_.state_text(v);
      return fmt::format(" without key {}, and all that was ever there of it matches: {}",
                         table_.key_text(key), all);
    });
  }
  void unfinished(const Mop& m, std::uint32_t state) {
    const Node writer = table_.state(state).writer;
    const bool failed = table_.failed(writer);
    report(failed ? "G1a" : "G1b", m, table_.state(state).key, writer, [&] {
      return fmt::format(", where {} = {} is of op {}, which {}",
                         table_.key_text(table_.state(state).key), table_.state_text(state),
                         table_.op(writer), failed ? "failed" : "overwrote it itself");
    });
  }
  void future(const Mop& m, std::uint32_t key) {
    report("future-read", m, key, kNone,
           [&] { return fmt::format(" before it made key {} so itself", table_.key_text(key)); });
  }
  void never_written(const Mop& m, std::uint32_t key, Value value) {
    report("never-written", m, key, kNone, [&] {
      return fmt::format(", and no transaction set {} to {}", table_.key_text(key),
                         table_.text(value));
    });
  }

  const Table& table_;
  const Limits& limits_;
  Anomalies& anomalies_;
  Node t_ = 0;
  std::size_t work_ = 0;
  std::vector<Node> known_at_;
  std::vector<Value> known_;  // what this transaction left there or read; nil: nothing is there
  std::vector<Node> written_at_;
  std::vector<std::uint32_t> returned_at_, touched_, changed_;
  std::uint32_t select_number_ = 0;
  std::vector<const Mop*> selects_;  // of this transaction so far
  std::unordered_map<std::uint32_t, std::vector<Left>> left_out_;
  std::size_t kept_ = 0;
  std::vector<Selected> selected_;
};

}  // namespace

std::vector<Selected> judge_reads(const Table& table, const Limits& limits, Anomalies& anomalies) {
  auto selected = TableJudge(table, limits, anomalies).run();
  for (const auto& sentence : table.unknowns()) anomalies.unknown(sentence);
  return selected;
}

}  // namespace gameday::txn
