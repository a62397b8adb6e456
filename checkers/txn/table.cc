#include "checkers/txn/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <new>
#include <stdexcept>

#include "checkers/txn/other_model.h"

namespace gameday::txn {

Table::Table(const Events& events, const Limits& limits)
    : events_(&events), keys_(events.values()), predicate_values_(events.values()) {
  decode(limits);
  decode_rows();
  number_states();
  index_states();
}

void Table::decode(const Limits& limits) {
  const auto& pairs = events_->pairs();
  const Events::Name init = events_->find_name("init");
  firsts_.push_back(0);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i % 0x4000 == 0) {
      if (const char* why = limits.expired()) throw std::runtime_error(why);
      if (mops_.size() * 4 * sizeof(Mop) > limits.memory_bytes) throw std::bad_alloc();
    }
    const Pair& p = pairs[i];
    const bool ok = p.outcome == OpType::ok;
    const std::size_t row = ok ? static_cast<std::size_t>(p.done) : p.invoke;
    const Value value = events_->value(row);
    if (value.is_nil() && !ok) continue;  // it did not say what it would do
    if (events_->f(p.invoke) == init && value.kind() == Value::Kind::map) {
      inits_.push_back(static_cast<Node>(pairs_.size()));
      decode_init(p);
    } else if (value.is_sequence()) {
      for (const Value mop : events_->values().items(value)) decode_mop(mop, ok, row);
    } else {
      throw std::invalid_argument(
          fmt::format("neither a transaction, which is a vector of micro-operations, nor an :init "
                      "with a map: {}{}",
                      events_->describe(row), other_model(*events_)));
    }
    pairs_.push_back(static_cast<std::uint32_t>(i));
    firsts_.push_back(mops_.size());
  }
}

// What was asked for, and what the completion says of it: a row that the completion does not speak
// of was written as well.
void Table::decode_init(const Pair& pair) {
  std::vector<std::size_t> places;  // by key; 0: none yet
  const auto write = [&](std::size_t row) {
    if (events_->value(row).kind() != Value::Kind::map) return;
    const auto items = events_->values().items(events_->value(row));
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      if (items[i + 1].is_nil())
        throw std::invalid_argument(
            fmt::format("a row has no value nil: {}", events_->describe(row)));
      const auto key = static_cast<std::uint32_t>(keys_.id(items[i]));
      places.resize(keys(), 0);
      if (places[key] == 0) {
        mops_.push_back({Mop::Kind::write, key, 0, 0, 0, items[i + 1]});
        places[key] = mops_.size();
      } else {
        mops_[places[key] - 1].value = items[i + 1];
      }
    }
  };
  write(pair.invoke);
  if (pair.outcome == OpType::ok) write(static_cast<std::size_t>(pair.done));
}

void Table::decode_mop(Value mop, bool reads, std::size_t row) {
  const Values& values = events_->values();
  const auto bad = [&] {
    return std::invalid_argument(fmt::format(
        "{} is none of [:insert k v], [:w k v], [:delete k], [:r k v] and [:rp predicate "
        "{{k v ...}}] in {}{}",
        values.edn(mop), events_->describe(row), other_model(*events_)));
  };
  if (!mop.is_sequence()) throw bad();
  const auto items = values.items(mop);
  if (items.size() < 2 || items.size() > 3 || !items[0].is_text()) throw bad();
  const std::string_view f = values.text(items[0]);
  const Value value = items.size() == 3 ? items[2] : Value();
  Mop m{};
  if (f == "rp" || f == "read-predicate") {
    m.kind = Mop::Kind::select;
    m.target = predicate(items[1], row);
    m.value = value;
    if (reads && value.kind() != Value::Kind::map && !value.is_sequence()) throw bad();
    if (reads) mops_.push_back(m);
    return;
  }
  m.target = static_cast<std::uint32_t>(keys_.id(items[1]));
  if (f == "insert" || f == "w" || f == "write" || f == "upsert") {
    m.kind = Mop::Kind::write;
    m.value = value;
    if (value.is_nil()) throw bad();
  } else if (f == "delete") {
    m.kind = Mop::Kind::erase;
  } else if (f == "r" || f == "read") {
    m.kind = Mop::Kind::read;
    m.value = value;
    if (!reads) return;
  } else {
    throw bad();
  }
  mops_.push_back(m);
}

std::uint32_t Table::predicate(Value value, std::size_t row) {
  const auto id = static_cast<std::size_t>(predicate_values_.id(value));
  if (id < predicates_.size()) return static_cast<std::uint32_t>(id);
  const Values& values = events_->values();
  Predicate p;
  const auto items = value.is_sequence() ? values.items(value) : std::span<const Value>();
  if (values.says(value, "true") || value == Value::boolean(true)) {
    p.kind = Predicate::Kind::all;
  } else if (items.size() == 2 && values.says(items[0], "=")) {
    p.kind = Predicate::Kind::equals;
    p.value = items[1];
  } else if (items.size() == 3 && values.says(items[0], "mod") && items[1].is_integer() &&
             items[1].as_integer() != 0 && items[2].is_integer()) {
    p.kind = Predicate::Kind::mod;
    p.modulus = items[1].as_integer();
    p.remainder = items[2].as_integer();
  } else {
    throw std::invalid_argument(fmt::format(
        "{} is none of the predicates :true, [:= value] and [:mod modulus remainder] in {}",
        values.edn(value), events_->describe(row)));
  }
  predicates_.push_back(p);
  return static_cast<std::uint32_t>(id);
}

bool Table::matches(std::uint32_t predicate, Value value) const {
  if (value.is_nil()) return false;
  const Predicate& p = predicates_[predicate];
  if (p.kind == Predicate::Kind::all) return true;
  if (p.kind == Predicate::Kind::equals) return equal(p.value, value);
  if (!value.is_integer()) return false;
  // As Clojure's mod: of the sign of the modulus.
  std::int64_t rest = value.as_integer() % p.modulus;
  if (rest != 0 && (rest < 0) != (p.modulus < 0)) rest += p.modulus;
  return rest == p.remainder;
}

void Table::decode_rows() {
  const Values& values = events_->values();
  for (Mop& m : mops_) {
    if (m.kind != Mop::Kind::select) continue;
    m.first = rows_.size();
    const auto items = values.items(m.value);
    if (m.value.kind() == Value::Kind::map) {
      for (std::size_t i = 0; i + 1 < items.size(); i += 2)
        rows_.push_back({key_of_row(items[i]), items[i + 1]});
    } else {
      for (const Value item : items) {
        if (!item.is_sequence() || values.items(item).size() != 2)
          throw std::invalid_argument(
              fmt::format("a predicate read returns a map, or pairs of key and "
                          "value, and not {}",
                          values.edn(m.value)));
        rows_.push_back({key_of_row(values.items(item)[0]), values.items(item)[1]});
      }
    }
    m.count = static_cast<std::uint32_t>(rows_.size() - m.first);
  }
}

// JSON has strings only for keys of objects: "7" is 7 where there is a key 7 and none "7".
std::uint32_t Table::key_of_row(Value key) {
  if (key.kind() == Value::Kind::string && keys_.find(key) < 0) {
    const std::string_view text = events_->values().text(key);
    std::int64_t n = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), n).ptr;
    if (!text.empty() && end == text.data() + text.size() && Value::fits(n) &&
        keys_.find(Value::integer(n)) >= 0)
      key = Value::integer(n);
  }
  return static_cast<std::uint32_t>(keys_.id(key));
}

void Table::number_states() {
  for (std::uint32_t k = 0; k < keys(); ++k) states_.push_back({k, kNone, {}, hash_of({}), true});
  std::vector<std::uint32_t> last(keys(), kNone);
  for (Node t = 0; t < size(); ++t) {
    for (std::uint64_t m = firsts_[t]; m < firsts_[t + 1]; ++m) {
      if (!mops_[m].changes()) continue;
      const std::uint32_t key = mops_[m].target, before = last[key];
      if (before != kNone && states_[before].writer == t) states_[before].last = false;
      last[key] = mops_[m].version = static_cast<std::uint32_t>(states_.size());
      states_.push_back({key, t, mops_[m].value, hash_of(mops_[m].value), true});
    }
  }
  initial_.resize(keys());
  for (std::uint32_t k = 0; k < keys(); ++k) initial_[k] = k;
  for (const Node t : inits_) {
    if (failed(t)) continue;
    for (const Mop& m : mops(t)) {
      if (initial_[m.target] != m.target)
        throw std::invalid_argument(
            fmt::format("key {} is there from the beginning twice", key_text(m.target)));
      initial_[m.target] = m.version;
    }
  }
}

void Table::index_states() {
  const auto visible = [&](std::uint32_t v) {
    const State& s = states_[v];
    return s.writer == kNone ? initial_[s.key] == v : s.last && !failed(s.writer);
  };
  const auto collect = [&](bool wanted, auto& all, auto& firsts) {
    firsts.assign(keys() + 1, 0);
    const auto take = [&](std::uint32_t v) {
      return visible(v) == wanted && (wanted || states_[v].writer != kNone);
    };
    for (std::uint32_t v = 0; v < states_.size(); ++v) firsts[states_[v].key + 1] += take(v);
    for (std::size_t k = 1; k < firsts.size(); ++k) firsts[k] += firsts[k - 1];
    all.resize(firsts.back());
    auto next = firsts;
    for (std::uint32_t v = 0; v < states_.size(); ++v)
      if (take(v)) all[next[states_[v].key]++] = v;
  };
  collect(true, installed_, installed_firsts_);
  collect(false, hidden_, hidden_firsts_);
  for (std::uint32_t k = 0; k < keys() && unknowns_.empty(); ++k) note_repeated_values(k);
  for (std::uint32_t k = 0; k < keys(); ++k) {
    sort_by_value(installed_, installed_firsts_, k);
    sort_by_value(hidden_, hidden_firsts_, k);
  }
}

void Table::sort_by_value(std::vector<std::uint32_t>& all, const std::vector<std::uint64_t>& firsts,
                          std::uint32_t key) const {
  std::sort(all.begin() + static_cast<std::ptrdiff_t>(firsts[key]),
            all.begin() + static_cast<std::ptrdiff_t>(firsts[key + 1]),
            [&](std::uint32_t a, std::uint32_t b) {
              return std::pair(states_[a].hash, a) < std::pair(states_[b].hash, b);
            });
}

std::span<const std::uint32_t> Table::of_value(std::span<const std::uint32_t> states,
                                               Value value) const {
  const auto [first, last] = std::equal_range(
      states.begin(), states.end(), kNone,
      [&, hash = hash_of(value)](std::uint32_t a, std::uint32_t b) {
        return (a == kNone ? hash : states_[a].hash) < (b == kNone ? hash : states_[b].hash);
      });
  return {first, last};
}

void Table::note_repeated_values(std::uint32_t key) {
  Dense seen(events_->values());
  for (const std::uint32_t v : installed(key)) {
    if (states_[v].value.is_nil()) continue;
    const std::size_t before = seen.size();
    seen.id(states_[v].value);
    if (seen.size() > before) continue;
    unknowns_.push_back(fmt::format("{} is written to key {} more than once, the last time by {}",
                                    text(states_[v].value), key_text(key), op(states_[v].writer)));
    return;
  }
}

std::size_t Table::row(Node t) const {
  const Pair& p = pair(t);
  return p.done >= 0 ? static_cast<std::size_t>(p.done) : p.invoke;
}

std::string Table::state_text(std::uint32_t v) const {
  if (states_[v].writer == kNone) return "unborn";
  return states_[v].value.is_nil() ? "deleted" : text(states_[v].value);
}

Json Table::state_json(std::uint32_t v) const {
  if (states_[v].writer == kNone) return "unborn";
  return states_[v].value.is_nil() ? Json("dead") : events_->values().json(states_[v].value);
}

std::string Table::mop_text(const Mop& m) const {
  if (m.kind == Mop::Kind::select)
    return fmt::format("[:rp {} {}]",
                       text(predicate_values_.value(static_cast<std::int32_t>(m.target))),
                       text(m.value));
  if (m.kind == Mop::Kind::erase) return fmt::format("[:delete {}]", key_text(m.target));
  return fmt::format("[:{} {} {}]", m.kind == Mop::Kind::write ? "w" : "r", key_text(m.target),
                     text(m.value));
}

}  // namespace gameday::txn
