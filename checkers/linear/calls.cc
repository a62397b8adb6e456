#include "checkers/linear/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <stdexcept>

#include "checkers/events/read.h"

namespace gameday::linear {
namespace {

std::string shortened(std::string text) {
  if (text.size() > 200) text = text.substr(0, 197) + "...";
  return text;
}

std::int32_t number_of(Names& names, Value v) { return v.is_nil() ? kNil : names.dense.id(v); }

Result<std::int32_t> list_of(Names& names, Value v, bool ordered) {
  std::vector<std::int32_t> list;
  if (v.is_sequence() || v.kind() == Value::Kind::set) {
    for (const Value item : names.values.items(v)) list.push_back(number_of(names, item));
  } else {
    return fail("a list or set is expected, not {}", shortened(names.values.edn(v)));
  }
  if (!ordered) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return names.lists.add(list);
}

// Micro-operations of a transaction: [[f k v] ...], or of a function that reads or writes a map
// {k v}. Read is kind::read, write kind::write.
Result<std::vector<std::int32_t>> micro_operations(Names& names, Value v, std::int32_t kind) {
  std::vector<std::int32_t> list;
  const auto add = [&](std::int32_t f, Value k, Value value) {
    list.insert(list.end(), {f, number_of(names, k), number_of(names, value)});
  };
  const Values& values = names.values;
  if (v.kind() == Value::Kind::map && kind >= 0) {
    const auto items = values.items(v);
    for (std::size_t i = 0; i < items.size(); i += 2) add(kind, items[i], items[i + 1]);
    return list;
  }
  if (!v.is_sequence())
    return fail("micro-operations [[f k v] ...] are expected, not {}", shortened(values.edn(v)));
  for (const Value m : values.items(v)) {
    const auto items = m.is_sequence() ? values.items(m) : std::span<const Value>();
    const bool three = items.size() == 3;
    const bool read = three && (values.says(items[0], "r") || values.says(items[0], "read"));
    const bool write = three && (values.says(items[0], "w") || values.says(items[0], "write"));
    if (!read && !write)
      return fail("a micro-operation is [:r k v] or [:w k v], not {}", shortened(values.edn(m)));
    add(read ? kind::read : kind::write, items[1], items[2]);
  }
  return list;
}

class Encoder {
 public:
  Encoder(const Events& events, std::span<const Function> functions, Names& names)
      : events_(events), names_(names), by_name_(events.name_count(), nullptr) {
    for (std::size_t n = 0; n < by_name_.size(); ++n) {
      const auto padded = fmt::format(" {} ", events.name_text(static_cast<Events::Name>(n)));
      for (const auto& function : functions)
        if (fmt::format(" {} ", function.names).find(padded) != std::string::npos)
          by_name_[n] = &function;
    }
  }

  const Function* function(const RawCall& raw) const { return by_name_[raw.f]; }

  // Whether what completed is what was invoked. A completion may name no function.
  bool completed_alike(const RawCall& raw) const {
    const std::int32_t done = events_.pairs()[raw.pair].done;
    if (raw.outcome == OpType::info || done < 0) return true;
    const Events::Name f = events_.f(static_cast<std::size_t>(done));
    return f == raw.f || f == 0 || f == Events::kNoName || by_name_[f] == by_name_[raw.f];
  }

  // False: the call says nothing.
  Result<bool> call(const RawCall& raw, const Function& f, Operation& op) {
    op = {f.kind, kNil, kNil, raw.call, kPending};
    const bool ok = raw.outcome == OpType::ok;
    if (raw.outcome == OpType::fail) {
      if (!refused(events_.pairs()[raw.pair], f)) return false;
      op.kind = f.refused;
    }
    if (raw.outcome != OpType::info) op.ret = raw.ret;
    const Value given = raw.given, answered = ok ? raw.answered : Value();
    if (f.reads && !ok) return false;
    if (f.nil_is_unknown && answered.is_nil() && !events_.exact_answers()) return false;
    switch (f.takes) {
      case Takes::nothing: break;
      case Takes::argument: op.a = number_of(names_, given); break;
      case Takes::answer: op.b = ok ? number_of(names_, answered) : kUnknown; break;
      case Takes::process: op.a = events_.process(events_.pairs()[raw.pair].invoke); break;
      case Takes::position:
        op.a = number_of(names_, given);
        op.b = kUnknown;
        if (ok && answered.is_integer() && answered != given)
          op.b = static_cast<std::int32_t>(answered.as_integer());
        break;
      case Takes::list: case Takes::any_list: {
        const auto list = list_of(names_, answered, f.takes == Takes::list);
        if (!list) return tl::make_unexpected(list.error());
        op.b = *list;
        break;
      }
      case Takes::txn: {
        const auto list = micro_operations(names_, answered.is_nil() ? given : answered, map_kind(f));
        if (!list) return tl::make_unexpected(list.error());
        bool writes = false;
        for (std::size_t i = 0; i < list->size(); i += 3) writes = writes || (*list)[i] == kind::write;
        if (!ok && !writes) return false;
        const auto [known, added] = transactions_.try_emplace(*list, 0);
        if (added) known->second = names_.lists.add(*list);
        op.kind = 0;
        op.b = known->second;
        break;
      }
      case Takes::pair: {
        const auto both = given.is_sequence() ? names_.values.items(given) : std::span<const Value>();
        if (both.size() != 2) return fail("the value is not [old new]");
        op.a = number_of(names_, both[0]);
        op.b = number_of(names_, both[1]);
        break;
      }
    }
    return true;
  }

 private:
  // Of micro-operations in the form of a map.
  static std::int32_t map_kind(const Function& f) {
    return f.kind == kTxn ? -1 : f.kind == kTxnReads ? kind::read : kind::write;
  }
  // The system refused it, and says so: a failure with an error did not come that far.
  bool refused(const Pair& pair, const Function& f) const {
    return f.refused != Function::kNoKind && events_.exact_answers() && pair.done >= 0 &&
           events_.values().get(events_.extra(static_cast<std::size_t>(pair.done)), "error").is_nil();
  }

  const Events& events_;
  Names& names_;
  std::vector<const Function*> by_name_;
  std::map<std::vector<std::int32_t>, std::int32_t> transactions_;  // equal ones have one list
};

}  // namespace

std::string Names::tell(std::int32_t id) const {
  if (id == kNil) return "nil";
  if (id == kUnknown) return "an unknown value";
  const auto i = static_cast<std::size_t>(id);
  return shortened(i < dense.size() ? values.edn(dense.value(id))
                                    : owner_->edn(others_[i - dense.size()]));
}

namespace {

// Reads EDN with the reader of histories: as the value of an op.
Result<Events> parsed(std::string_view edn) {
  return parse_events(fmt::format("{{:process 0, :type :invoke, :f :initial, :value {}\n}}", edn),
                      "--initial", {Format::edn, 1});
}

}  // namespace

// Numbers are given after all of the history's, so equality of the text decides.
std::int32_t Names::foreign(Value v) {
  if (v.is_nil()) return kNil;
  const Values& of = *owner_;
  const std::string text = of.edn(v);
  for (std::size_t i = 0; i < dense.size(); ++i)
    if (values.edn(dense.value(static_cast<std::int32_t>(i))) == text) return static_cast<std::int32_t>(i);
  for (std::size_t i = 0; i < others_.size(); ++i)
    if (of.equal(others_[i], v)) return static_cast<std::int32_t>(dense.size() + i);
  others_.push_back(v);
  return static_cast<std::int32_t>(dense.size() + others_.size()) - 1;
}

// Read once: the numbers of its values are of these values.
Value Names::parse_initial(std::string_view edn) {
  if (owner_ == nullptr) {
    const auto events = parsed(edn);
    if (!events) throw std::invalid_argument(events.error().message);
    owner_ = events->shared_values();
    initial_ = events->value(0);
  }
  return initial_;
}

std::int32_t Names::initial(std::string_view edn) {
  return edn.empty() ? kNil : foreign(parse_initial(edn));
}

std::vector<std::int32_t> Names::initial_list(std::string_view edn) {
  std::vector<std::int32_t> list;
  if (edn.empty()) return list;
  const Value v = parse_initial(edn);
  if (!v.is_sequence() && v.kind() != Value::Kind::set)
    throw std::invalid_argument("--initial: a list or a set is expected");
  for (const Value item : owner_->items(v)) list.push_back(foreign(item));
  return list;
}

std::vector<std::pair<std::int32_t, std::int32_t>> Names::initial_map(std::string_view edn) {
  std::vector<std::pair<std::int32_t, std::int32_t>> map;
  if (edn.empty()) return map;
  const Value v = parse_initial(edn);
  if (v.kind() != Value::Kind::map) throw std::invalid_argument("--initial: a map is expected");
  const auto items = owner_->items(v);
  for (std::size_t i = 0; i < items.size(); i += 2)
    map.emplace_back(foreign(items[i]), foreign(items[i + 1]));
  return map;
}

std::string Names::tell_list(std::int32_t list) const {
  std::string text = "[";
  for (const std::int32_t id : lists.of(list)) {
    if (text.size() > 1) text += ' ';
    text += tell(id);
    if (text.size() > 200) return text + " ...]";
  }
  return text + "]";
}

std::int64_t Names::number(std::int32_t id) const {
  const auto i = static_cast<std::size_t>(id);
  const Value v = id < 0 ? Value() : i < dense.size() ? dense.value(id) : others_[i - dense.size()];
  if (!v.is_integer()) throw std::invalid_argument(fmt::format("{} is not an integer", tell(id)));
  return v.as_integer();
}

namespace {

RawCall raw_call(const Events& events, std::size_t p) {
  const Pair& pair = events.pairs()[p];
  RawCall raw{events.value(pair.invoke), {}, pair.invoke, 0, static_cast<std::uint32_t>(p),
              events.f(pair.invoke), pair.outcome};
  if (pair.done < 0) return raw;
  raw.ret = static_cast<std::uint32_t>(pair.done);
  raw.answered = events.value(raw.ret);
  return raw;
}

}  // namespace

Result<Calls> encode(const Events& events, std::span<const Function> functions, Names& names,
                     std::optional<std::span<const RawCall>> part) {
  Encoder encoder(events, functions, names);
  const std::size_t count = part ? part->size() : events.pairs().size();
  Calls calls;
  calls.ops.reserve(count);
  calls.pairs.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const RawCall raw = part ? (*part)[i] : raw_call(events, i);
    const auto row = [&] { return events.describe(events.pairs()[raw.pair].invoke); };
    const Function* f = encoder.function(raw);
    if (f == nullptr) return fail("this model has no such function: {}", row());
    if (!encoder.completed_alike(raw))
      return fail("it completed as another function, {}: {}",
                  events.describe(static_cast<std::size_t>(events.pairs()[raw.pair].done)), row());
    Operation op;
    const auto added = encoder.call(raw, *f, op);
    if (!added) return fail("{}: {}", added.error().message, row());
    if (!*added) continue;
    calls.ops.push_back(op);
    calls.pairs.push_back(raw.pair);
  }
  return calls;
}

}  // namespace gameday::linear
