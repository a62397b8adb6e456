#include "checkers/txn/reads.h"

#include <fmt/format.h>

namespace gameday::txn {
namespace {

class ReadJudge {
 public:
  ReadJudge(const Registers& registers, Anomalies& anomalies) : r_(registers), anomalies_(anomalies) {}

  // `expected` is what the transaction itself wrote or read last, if it `knows` any.
  void read(Node t, const RwMop& m, bool knows, Version expected) {
    if (knows && expected != m.version) {
      if (m.version != kInitial && r_.writer(m.version) == t && writes_later(t, m))
        return future(t, m);
      return internal(t, m, expected);
    }
    if (knows || m.version == kInitial) return;
    if (r_.never_written(m.version)) return never_written(t, m);
    const Node writer = r_.writer(m.version);
    if (writer == t) return future(t, m);
    if (r_.failed(writer)) return aborted(t, m, writer);
    if (r_.intermediate(m.version) && !r_.ambiguous(m.version)) intermediate(t, m, writer);
  }

 private:
  bool writes_later(Node t, const RwMop& read) const {
    for (const RwMop& m : r_.mops(t))
      if (m.write && m.key == read.key && m.version == read.version) return &m > &read;
    return false;
  }

  void add(std::string_view type, Node t, const RwMop& m, Node writer, const auto& say) {
    anomalies_.add(type, [&] {
      Anomaly a;
      a.summary = say();
      a.ops = {r_.op(t)};
      if (writer != kNone && writer != t) a.ops.push_back(r_.op(writer));
      a.explanation = {fmt::format("Reader: {}", r_.events().describe(r_.row(t)))};
      if (writer != kNone && writer != t)
        a.explanation.push_back(fmt::format("Writer: {}", r_.events().describe(r_.row(writer))));
      a.detail = {{"key", r_.key_json(m.key)}, {"value", r_.value_json(m.version)}};
      return a;
    });
  }
  void internal(Node t, const RwMop& m, Version expected) {
    add("internal", t, m, kNone, [&] {
      return fmt::format("op {} read {} where its own earlier operations imply {}", r_.op(t),
                         r_.mop_text(m), r_.value_text(expected));
    });
  }
  void future(Node t, const RwMop& m) {
    add("future-read", t, m, t, [&] {
      return fmt::format("op {} read {} before it wrote that value itself", r_.op(t), r_.mop_text(m));
    });
  }
  void never_written(Node t, const RwMop& m) {
    add("never-written", t, m, kNone, [&] {
      return fmt::format("op {} read {}, a value that no transaction wrote", r_.op(t), r_.mop_text(m));
    });
  }
  void aborted(Node t, const RwMop& m, Node writer) {
    add("G1a", t, m, writer, [&] {
      return fmt::format("op {} read {}, which op {} wrote, and that failed", r_.op(t), r_.mop_text(m),
                         r_.op(writer));
    });
  }
  void intermediate(Node t, const RwMop& m, Node writer) {
    add("G1b", t, m, writer, [&] {
      return fmt::format("op {} read {}, which op {} overwrote itself", r_.op(t), r_.mop_text(m),
                         r_.op(writer));
    });
  }

  const Registers& r_;
  Anomalies& anomalies_;
};

}  // namespace

void check_reads(const Registers& registers, Repeatable repeatable, const Limits& limits,
                 Anomalies& anomalies) {
  ReadJudge judge(registers, anomalies);
  std::vector<Version> state(registers.keys());
  std::vector<Node> stamp(registers.keys(), kNone);
  for (Node t = 0; t < registers.size(); ++t) {
    if (t % 65536 == 0)
      if (const char* why = limits.expired()) return anomalies.unknown(why);
    if (!registers.ok(t)) continue;
    for (const RwMop& m : registers.mops(t)) {
      const bool knows = stamp[m.key] == t;
      if (m.is_read()) judge.read(t, m, knows, state[m.key]);
      if (m.is_read() && !knows && repeatable == Repeatable::no) continue;
      stamp[m.key] = t;
      if (!m.is_read() || repeatable == Repeatable::yes) state[m.key] = m.version;
    }
  }
  for (const auto& sentence : registers.unknowns()) anomalies.unknown(sentence);
}

}  // namespace gameday::txn
