#include "checkers/linear/calls.h"

#include <fmt/format.h>

#include <algorithm>
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

  const Function* function(const Pair& pair) const { return by_name_[events_.f(pair.invoke)]; }

  // False: the call says nothing.
  Result<bool> call(const Pair& pair, const Function& f, Operation& op) {
    op = {f.kind, kNil, kNil, pair.invoke, kPending};
    const bool ok = pair.outcome == OpType::ok;
    if (ok) op.ret = pair.done;
    const Value given = events_.value(pair.invoke), answered = ok ? events_.result(pair) : Value();
    if (f.reads && !ok) return false;
    if (f.nil_is_unknown && answered.is_nil()) return false;
    switch (f.takes) {
      case Takes::nothing: break;
      case Takes::argument: op.a = number_of(names_, given); break;
      case Takes::answer: op.b = ok ? number_of(names_, answered) : kUnknown; break;
      case Takes::process: op.a = events_.process(pair.invoke); break;
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
      case Takes::pair: {
        const auto both = given.is_sequence() ? names_.values.items(given) : std::span<const Value>();
        if (both.size() != 2) return fail("the value is not [old new]");
        op.a = number_of(names_, both[0]);
        op.b = number_of(names_, both[1]);
        break;
      }
      case Takes::entry: break;
    }
    return true;
  }

 private:
  const Events& events_;
  Names& names_;
  std::vector<const Function*> by_name_;
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
std::int32_t Names::foreign(const Values& of, Value v) {
  if (v.is_nil()) return kNil;
  const std::string text = of.edn(v);
  for (std::size_t i = 0; i < dense.size(); ++i)
    if (values.edn(dense.value(static_cast<std::int32_t>(i))) == text) return static_cast<std::int32_t>(i);
  for (std::size_t i = 0; i < others_.size(); ++i)
    if (of.equal(others_[i], v)) return static_cast<std::int32_t>(dense.size() + i);
  others_.push_back(v);
  return static_cast<std::int32_t>(dense.size() + others_.size()) - 1;
}

std::int32_t Names::initial(std::string_view edn) {
  if (edn.empty()) return kNil;
  const auto events = parsed(edn);
  if (!events) throw std::invalid_argument(events.error().message);
  owner_ = events->shared_values();
  return foreign(*owner_, events->value(0));
}

std::vector<std::int32_t> Names::initial_list(std::string_view edn) {
  std::vector<std::int32_t> list;
  if (edn.empty()) return list;
  const auto events = parsed(edn);
  if (!events) throw std::invalid_argument(events.error().message);
  owner_ = events->shared_values();
  const Value v = events->value(0);
  if (!v.is_sequence() && v.kind() != Value::Kind::set)
    throw std::invalid_argument("--initial: a list or a set is expected");
  for (const Value item : owner_->items(v)) list.push_back(foreign(*owner_, item));
  return list;
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

Result<Calls> encode(const Events& events, std::span<const Function> functions, Names& names) {
  Encoder encoder(events, functions, names);
  Calls calls;
  calls.ops.reserve(events.pairs().size());
  calls.pairs.reserve(events.pairs().size());
  for (std::size_t p = 0; p < events.pairs().size(); ++p) {
    const Pair& pair = events.pairs()[p];
    const Function* f = encoder.function(pair);
    if (f == nullptr) return fail("this model has no such function: {}", events.describe(pair.invoke));
    if (pair.outcome == OpType::fail) continue;
    Operation op;
    const auto added = encoder.call(pair, *f, op);
    if (!added) return fail("{}: {}", added.error().message, events.describe(pair.invoke));
    if (!*added) continue;
    calls.ops.push_back(op);
    calls.pairs.push_back(static_cast<std::uint32_t>(p));
  }
  return calls;
}

}  // namespace gameday::linear
