#include "checkers/workload/guarantees/registers.h"

#include <fmt/format.h>

#include <unordered_map>

namespace gameday::guarantees {
namespace {

enum class Kind : std::uint8_t { other, read, write, transaction };

Kind kind_of(std::string_view f) {
  if (f == "read" || f == "r" || f == "get") return Kind::read;
  if (f == "write" || f == "w" || f == "put" || f == "set") return Kind::write;
  return f == "txn" ? Kind::transaction : Kind::other;
}

constexpr std::size_t kReasonLimit = 8;  // one of them is enough, really

}  // namespace

// Two passes: the first numbers all keys, because the versions before any write come first.
class RegisterReader {
 public:
  RegisterReader(Registers& to, const ModelInput& input)
      : to_(to),
        events_(input.events),
        values_(events_.values()),
        limits_(input.limits),
        numbers_(values_) {
    for (std::size_t f = 0; f < events_.name_count(); ++f)
      kinds_.push_back(kind_of(events_.name_text(static_cast<Events::Name>(f))));
  }

  void read() {
    keyed_ = all_keyed();
    if (!each([this](std::uint32_t, Value k, Value, bool) { to_.keys.id(k); })) return;
    for (std::size_t k = 0; k < to_.keys.size(); ++k)
      to_.versions.push_back({static_cast<std::int32_t>(k), Value(), -1});
    each([this](std::uint32_t p, Value k, Value v, bool w) { take(p, k, v, w); });
  }

 private:
  bool pair_value(Value v) const { return v.is_sequence() && values_.items(v).size() == 2; }

  bool all_keyed() const {
    bool any = false;
    for (const Pair& p : events_.pairs()) {
      const Kind kind = kinds_[events_.f(p.invoke)];
      if (kind == Kind::write && !pair_value(events_.value(p.invoke))) return false;
      if (kind == Kind::read && p.outcome == OpType::ok && !pair_value(events_.result(p)))
        return false;
      any = any || kind == Kind::write || kind == Kind::read;
    }
    return any;
  }

  template <typename Take>
  bool each(Take take) {
    for (std::uint32_t i = 0; i < events_.pairs().size(); ++i) {
      if (i % 65536 == 0)
        if (const char* reason = limits_.expired()) {
          to_.unknown.insert(reason);
          return false;
        }
      const Pair& p = events_.pairs()[i];
      const Kind kind = kinds_[events_.f(p.invoke)];
      const bool ok = p.outcome == OpType::ok;
      if (kind == Kind::other) continue;
      if (kind == Kind::read && !ok) continue;
      Value v = ok ? events_.result(p) : events_.value(p.invoke);
      // A store may answer a write with "OK" or nothing.
      if (kind == Kind::write) v = events_.value(p.invoke);
      if (kind == Kind::transaction)
        transaction(i, v, ok, take);
      else if (!keyed_)
        take(i, Value(), v, kind == Kind::write);
      else
        take(i, values_.items(v)[0], values_.items(v)[1], kind == Kind::write);
    }
    return true;
  }

  template <typename Take>
  void transaction(std::uint32_t i, Value v, bool ok, Take& take) {
    if (!v.is_sequence()) return unknown(i, "is no transaction of [:r k v] and [:w k v]");
    for (const Value mop : values_.items(v)) {
      const auto items = mop.is_sequence() ? values_.items(mop) : std::span<const Value>();
      const bool mop_like = items.size() == 3 && items[0].is_text();
      const Kind kind = mop_like ? kind_of(values_.text(items[0])) : Kind::other;
      if (kind == Kind::write)
        take(i, items[1], items[2], true);
      else if (kind != Kind::read)
        return unknown(i, "is no transaction of [:r k v] and [:w k v]");
      else if (ok)
        take(i, items[1], items[2], false);
    }
  }

  void unknown(std::uint32_t i, std::string_view what) {
    if (to_.unknown.size() < kReasonLimit)
      to_.unknown.insert(fmt::format("{} {}", events_.describe(events_.pairs()[i].invoke), what));
  }

  static std::uint64_t word(std::int32_t key, std::int32_t value) {
    return static_cast<std::uint64_t>(key) << 32 | static_cast<std::uint32_t>(value);
  }

  // Most values belong to one key only: they are found by their number.
  std::int32_t& slot(std::int32_t key, std::int32_t value) {
    const auto at = static_cast<std::size_t>(value);
    if (at >= by_number_.size()) by_number_.resize(at * 2 + 16, -1);
    std::int32_t& version = by_number_[at];
    if (version < 0 || to_.versions[static_cast<std::size_t>(version)].key == key) return version;
    return by_word_.try_emplace(word(key, value), -1).first->second;
  }

  void take(std::uint32_t i, Value k, Value v, bool write) {
    // Versions are made of writes and of reads alike; settle() looks at those that were only read.
    const std::int32_t key = to_.keys.id(k);
    const bool certain = events_.pairs()[i].outcome == OpType::ok;
    const bool failed = events_.pairs()[i].outcome == OpType::fail;
    if (v.is_nil()) {
      if (failed) return;
      if (write) return unknown(i, "writes nil, which is what a key holds before any write");
      to_.accesses.push_back({i, key, false, certain});
      return;
    }
    std::int32_t& version = slot(key, numbers_.id(v));
    if (version < 0) {
      version = static_cast<std::int32_t>(to_.versions.size());
      to_.versions.push_back({key, v, -1});
    }
    Version& of = to_.versions[static_cast<std::size_t>(version)];
    if (failed) {
      of.unclear = true;
      return;
    }
    if (write) {
      if (of.writer >= 0) {
        of.unclear = true;
        return unknown(i, "writes a value that was written before: written values must be unique");
      }
      of.writer = static_cast<std::int32_t>(to_.accesses.size());
    }
    to_.accesses.push_back({i, version, write, certain});
  }

  Registers& to_;
  const Events& events_;
  const Values& values_;
  const Limits& limits_;
  Dense numbers_;
  std::vector<Kind> kinds_;
  std::vector<std::int32_t> by_number_;  // the first version with a value
  std::unordered_map<std::uint64_t, std::int32_t> by_word_;
  bool keyed_ = false;
};

// A value that nobody wrote can only be what the key held before any write, and only one value can.
// If there are several, some write is not in the history: each of them is a version of its own then,
// and what is said of it holds if it was written once.
class InitialVersions {
 public:
  explicit InitialVersions(Registers& of)
      : of_(of),
        candidates_(of.keys.size()),
        drop_(of.versions.size()),
        initial_(of.versions.size()),
        read_(of.versions.size()) {}

  void settle() {
    for (const Access& a : of_.accesses) {
      if (!a.write) read_[index(a)] = true;
    }
    for (std::size_t v = 0; v < of_.versions.size(); ++v)
      candidates_[key(v)] +=
          read_[v] && of_.versions[v].writer < 0 && !of_.versions[v].unclear ? 1 : 0;
    for (std::size_t v = of_.keys.size(); v < of_.versions.size(); ++v) judge(v);
    move();
  }

 private:
  static std::size_t index(const Access& a) { return static_cast<std::size_t>(a.version); }
  std::size_t key(std::size_t v) const { return static_cast<std::size_t>(of_.versions[v].key); }

  void judge(std::size_t v) {
    Version& version = of_.versions[v];
    if (version.writer >= 0 && !version.unclear) return;
    if (!version.unclear && candidates_[key(v)] == 1) {
      of_.versions[key(v)].value = version.value;
      initial_[v] = true;
      return;
    }
    drop_[v] = version.unclear;
    version.writer = -1;
    if (!read_[v] || of_.unknown.size() >= kReasonLimit) return;
    of_.unknown.insert(fmt::format(
        "{} was read, but {}", of_.describe(static_cast<std::int32_t>(v)),
        version.unclear ? "its write failed or is not the only one" : "nobody wrote it"));
  }

  void move() {
    std::size_t kept = 0;
    for (Access a : of_.accesses) {
      if (drop_[index(a)]) continue;
      Version& version = of_.versions[index(a)];
      if (initial_[index(a)])
        a.version = version.key;
      else if (a.write)
        version.writer = static_cast<std::int32_t>(kept);
      of_.accesses[kept++] = a;
    }
    of_.accesses.resize(kept);
  }

  Registers& of_;
  std::vector<int> candidates_;              // by key: values that were read and nobody wrote
  std::vector<bool> drop_, initial_, read_;  // by version
};

Registers::Registers(const ModelInput& input) : events(input.events), keys(input.events.values()) {
  RegisterReader(*this, input).read();
  InitialVersions(*this).settle();
}

std::string Registers::describe(std::int32_t version) const {
  const Version& of = versions[static_cast<std::size_t>(version)];
  const Values& values = events.values();
  std::string text = of.writer < 0 && static_cast<std::size_t>(version) < keys.size()
                         ? fmt::format("the initial value {}", values.edn(of.value))
                         : fmt::format("value {}", values.edn(of.value));
  const Value key = keys.value(of.key);
  if (!key.is_nil() || keys.size() > 1) text += fmt::format(" of key {}", values.edn(key));
  return text;
}

static std::size_t row(const Events& events, const Access& a) {
  const Pair& p = events.pairs()[a.pair];
  return p.done >= 0 ? static_cast<std::size_t>(p.done) : p.invoke;
}

std::int64_t Registers::op(const Access& a) const { return events.index(row(events, a)); }
std::string Registers::words(const Access& a) const { return events.describe(row(events, a)); }

}  // namespace gameday::guarantees
