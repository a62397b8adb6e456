#include "checkers/txn/weak/accesses.h"

#include <algorithm>

namespace gameday::txn::weak {

Accesses::Accesses(const Registers& registers, bool sessions) : keys_(registers.keys()) {
  // Transactions that did not complete have committed if somebody read of them.
  std::vector<bool> read_of(registers.size(), false);
  for (Node t = 0; t < registers.size(); ++t) {
    if (!registers.ok(t)) continue;
    for (const Mop& m : registers.mops(t))
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
    for (const Mop& m : registers.mops(t)) {
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
  std::vector<Node> last;
  std::vector<std::uint64_t> counts;
  for (Node t = 0; t < size(); ++t) {
    if (!live(t)) continue;
    const std::int32_t process = registers.events().process(registers.pair(t).invoke);
    const auto s = sessions ? static_cast<std::uint32_t>(processes.id(Value::integer(process)))
                            : static_cast<std::uint32_t>(last.size());
    if (s == last.size()) {
      last.push_back(kNone);
      counts.push_back(0);
    }
    session_[t] = s;
    previous_[t] = last[s];
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
  std::vector<Node> by_row(registers.events().size(), kNone);
  for (Node t = 0; t < size(); ++t)
    if (live(t)) by_row[registers.row(t)] = t;
  completions_.reserve(session_nodes_.size());
  for (const Node t : by_row)
    if (t != kNone) completions_.push_back(t);
}

}  // namespace gameday::txn::weak
