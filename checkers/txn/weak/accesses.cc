#include "checkers/txn/weak/accesses.h"

#include <algorithm>

namespace gameday::txn::weak {

Accesses::Accesses(const Registers& registers, bool sessions) : keys_(registers.keys()) {
  // Transactions that did not complete have committed if somebody read of them.
  std::vector<bool> read_of(registers.size(), false);
  bool open = false;
  for (Node t = 0; t < registers.size(); ++t)
    open = open || (!registers.ok(t) && !registers.failed(t));
  for (Node t = 0; t < registers.size() && open; ++t) {
    if (!registers.ok(t)) continue;
    for (const RwMop& m : registers.mops(t))
      if (m.is_read() && m.version != kInitial && !registers.never_written(m.version))
        read_of[registers.writer(m.version)] = true;
  }
  session_.assign(registers.size(), kNone);
  for (Node t = 0; t < registers.size(); ++t)
    if (registers.ok(t) || (!registers.failed(t) && read_of[t])) session_[t] = 0;
  number_sessions(registers, sessions);
  collect(registers);
  sort_completions(registers);
}

void Accesses::collect(const Registers& registers) {
  read_first_.reserve(size() + 1);
  write_first_.reserve(size() + 1);
  reads_.reserve(registers.mop_count() / 2);
  writes_.reserve(registers.mop_count() / 2);
  std::vector<Node> written_by(keys_, kNone);
  for (Node t = 0; t < size(); ++t) {
    read_first_.push_back(reads_.size());
    write_first_.push_back(writes_.size());
    if (!live(t)) continue;
    for (const RwMop& m : registers.mops(t)) {
      if (m.write) {
        if (written_by[m.key] != t) writes_.push_back(m.key);
        written_by[m.key] = t;
        continue;
      }
      if (written_by[m.key] == t) continue;  // of its own write
      Node from = initial();
      if (m.version != kInitial) {
        if (registers.never_written(m.version) || registers.ambiguous(m.version)) continue;
        from = registers.writer(m.version);
        if (from == t || !live(from)) continue;
      }
      reads_.push_back({m.key, from});
    }
    std::sort(writes_.begin() + static_cast<std::ptrdiff_t>(write_first_.back()), writes_.end());
  }
  read_first_.push_back(reads_.size());
  write_first_.push_back(writes_.size());
}

void Accesses::number_sessions(const Registers& registers, bool sessions) {
  position_.assign(size(), 1);
  previous_.assign(size(), kNone);
  Dense processes(registers.events().values());
  const auto process = [&](Node t) {
    const std::int32_t p = registers.events().process(registers.pair(t).invoke);
    return static_cast<std::uint32_t>(processes.id(Value::integer(p)));
  };
  std::vector<Node> last_of_process;
  for (Node t = 0; t < size() && sessions; ++t) {
    if (!live(t)) continue;
    const std::uint32_t p = process(t);
    if (p == last_of_process.size()) last_of_process.push_back(t);
    last_of_process[p] = t;
  }
  std::vector<Node> last(last_of_process.size(), kNone);
  std::vector<std::uint64_t> counts(last.size(), 0);
  for (Node t = 0; t < size(); ++t) {
    if (!live(t)) continue;
    std::uint32_t s = sessions ? process(t) : kNone;
    if (sessions) previous_[t] = last[s];
    // What did not complete may take effect after whatever its client does next.
    if (!sessions || (!registers.ok(t) && last_of_process[s] != t)) {
      s = static_cast<std::uint32_t>(last.size());
      last.push_back(kNone);
      counts.push_back(0);
    }
    session_[t] = s;
    last[s] = t;
    position_[t] = static_cast<std::uint32_t>(++counts[s]);
  }
  session_first_.assign(last.size() + 1, 0);
  for (std::size_t s = 0; s < counts.size(); ++s) session_first_[s + 1] = session_first_[s] + counts[s];
  session_nodes_.resize(session_first_.back());
  for (Node t = 0; t < size(); ++t)
    if (live(t)) session_nodes_[session_first_[session_[t]] + position_[t] - 1] = t;
}

void Accesses::sort_completions(const Registers& registers) {
  Column<Node> by_row(registers.events().size(), kNone);
  for (Node t = 0; t < size(); ++t)
    if (live(t)) by_row[registers.row(t)] = t;
  completions_.reserve(session_nodes_.size());
  for (const Node t : by_row)
    if (t != kNone) completions_.push_back(t);
}

}  // namespace gameday::txn::weak
