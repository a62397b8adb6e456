#include "checkers/linear/differential.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "checkers/linear/models/models.h"
#include "checkers/model.h"

namespace gameday::linear {
namespace {

// A generator that is cheap, because most of the time would go into it: SplitMix64 (Steele, Lea and
// Flood, "Fast splittable pseudorandom number generators", 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::size_t below(std::size_t n) {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return static_cast<std::size_t>((z ^ z >> 31) % n);
  }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

// Objects as plain as they can be: what a call does to a list of integers, and whether its answer is
// right. Written apart from the models, or both would have the same mistakes.
using Items = std::vector<int>;
struct Step {
  std::string_view f;
  int given = -1, other = -1;   // other: of cas
  int answer = -1;              // -1: nil
  Items list;
  bool info = false;
  int process = 0;
};
struct Plain {
  std::string_view model;
  std::vector<std::string_view> functions;
  bool (*apply)(Items& state, const Step& step);  // false: illegal
  void (*answer)(const Items& state, Step& step); // what a right answer would be
};

void sorted_insert(Items& s, int v, bool once) {
  const auto at = std::lower_bound(s.begin(), s.end(), v);
  if (!once || at == s.end() || *at != v) s.insert(at, v);
}

bool take(Items& s, const Step& step, Items::iterator first) {
  if (step.info) {
    if (!s.empty()) s.erase(first);
    return true;
  }
  if (step.answer < 0) return s.empty();
  if (s.empty() || *first != step.answer) return false;
  s.erase(first);
  return true;
}

bool register_step(Items& s, const Step& step) {
  if (s.empty()) s.push_back(-1);
  if (step.f == "read") return step.info || step.answer < 0 || step.answer == s[0];
  if (step.f == "cas" && s[0] != step.given) return false;
  s[0] = step.f == "cas" ? step.other : step.given;
  return true;
}

bool unordered_step(Items& s, const Step& step) {
  if (step.f == "enqueue") {
    sorted_insert(s, step.given, false);
    return true;
  }
  if (step.info) return take(s, step, s.begin());
  if (step.answer < 0) return s.empty();
  const auto at = std::find(s.begin(), s.end(), step.answer);
  if (at == s.end()) return false;
  s.erase(at);
  return true;
}

const Plain kPlain[] = {
    {"cas-register", {"read", "read", "write", "cas"}, register_step,
     [](const Items& s, Step& step) { step.answer = s.empty() ? -1 : s[0]; }},
    {"register", {"read", "write"}, register_step,
     [](const Items& s, Step& step) { step.answer = s.empty() ? -1 : s[0]; }},
    {"mutex", {"acquire", "release"},
     [](Items& s, const Step& step) {
       if (s.empty() != (step.f == "acquire")) return false;
       if (s.empty()) s.push_back(1); else s.clear();
       return true;
     }, [](const Items&, Step&) {}},
    {"owner-mutex", {"acquire", "release"},
     [](Items& s, const Step& step) {
       if (step.f == "acquire") {
         if (!s.empty()) return false;
         s.push_back(step.process);
         return true;
       }
       if (s.empty() || s[0] != step.process) return false;
       s.clear();
       return true;
     }, [](const Items&, Step&) {}},
    {"reentrant-mutex", {"acquire", "release"},
     [](Items& s, const Step& step) {
       if (!s.empty() && s[0] != step.process) return false;
       if (step.f == "acquire") s.push_back(step.process);
       else if (s.empty()) return false;
       else s.pop_back();
       return true;
     }, [](const Items&, Step&) {}},
    {"linearizable-counter", {"add", "read"},
     [](Items& s, const Step& step) {
       if (s.empty()) s.push_back(0);
       if (step.f == "read") return step.answer < 0 || step.answer == s[0];
       s[0] += step.given;
       return true;
     }, [](const Items& s, Step& step) { step.answer = s.empty() ? 0 : s[0]; }},
    {"linearizable-set", {"add", "add", "read"},
     [](Items& s, const Step& step) {
       if (step.f == "read") return step.list == s;
       sorted_insert(s, step.given, true);
       return true;
     }, [](const Items& s, Step& step) { step.list = s; }},
    {"fifo-queue", {"enqueue", "dequeue"},
     [](Items& s, const Step& step) {
       if (step.f == "enqueue") s.push_back(step.given);
       return step.f == "enqueue" || take(s, step, s.begin());
     }, [](const Items& s, Step& step) { step.answer = s.empty() ? -1 : s.front(); }},
    {"unordered-queue", {"enqueue", "dequeue"}, unordered_step,
     [](const Items& s, Step& step) { step.answer = s.empty() ? -1 : s.front(); }},
    {"stack", {"push", "pop"},
     [](Items& s, const Step& step) {
       if (step.f == "push") s.push_back(step.given);
       return step.f == "push" || take(s, step, s.empty() ? s.end() : s.end() - 1);
     }, [](const Items& s, Step& step) { step.answer = s.empty() ? -1 : s.back(); }},
    {"priority-queue", {"insert", "extract"},
     [](Items& s, const Step& step) {
       if (step.f == "insert") sorted_insert(s, step.given, false);
       return step.f == "insert" || take(s, step, s.empty() ? s.end() : s.end() - 1);
     }, [](const Items& s, Step& step) { step.answer = s.empty() ? -1 : s.back(); }},
    {"append-log", {"append", "append", "read"},
     [](Items& s, const Step& step) {
       if (step.f == "read") return step.list == s;
       s.push_back(step.given);
       return true;
     }, [](const Items& s, Step& step) { step.list = s; }},
};

bool is_read(const Step& s) { return s.f == "read"; }
bool wants_answer(const Step& s) {
  return s.f == "read" || s.f == "dequeue" || s.f == "pop" || s.f == "extract";
}

struct Small {
  std::vector<Step> steps;
  std::vector<std::pair<int, int>> span;          // call and return; return -1: info
  std::vector<std::pair<int, bool>> rows;         // step, is it the return
};

// A few clients; the state is walked along in the order of the returns, so that about half of the
// histories are right, and an answer is now and then another one.
Small generate(Random& random, const Plain& plain) {
  Small h;
  const bool large = random.one_in(8);
  const std::size_t n = 2 + random.below(large ? 9 : 6), clients = 2 + random.below(large ? 4 : 2);
  const std::size_t infos = large ? 2 + random.below(4) : 5;  // one in so many
  std::vector<int> open(clients, -1);
  Items state;
  std::vector<int> process(clients);
  for (std::size_t c = 0; c < clients; ++c) process[c] = static_cast<int>(c);
  std::size_t started = 0, busy = 0;
  const bool distinct = random.one_in(3);
  while (started < n || busy > 0) {
    const std::size_t c = random.below(clients);
    const int row = static_cast<int>(h.rows.size());
    if (open[c] < 0) {
      if (started == n) continue;
      ++started;
      ++busy;
      Step s;
      s.f = plain.functions[random.below(plain.functions.size())];
      s.given = distinct ? static_cast<int>(started) : 1 + static_cast<int>(random.below(3));
      s.other = distinct ? static_cast<int>(started) + 10 : 1 + static_cast<int>(random.below(3));
      if (s.f == "cas" && !state.empty() && state[0] > 0 && !random.one_in(3)) s.given = state[0];
      s.process = process[c];
      open[c] = static_cast<int>(h.steps.size());
      h.rows.push_back({open[c], false});
      h.span.push_back({row, -1});
      h.steps.push_back(s);
      continue;
    }
    Step& s = h.steps[static_cast<std::size_t>(open[c])];
    s.info = random.one_in(infos);
    if (s.info) {
      process[c] += static_cast<int>(clients);
    } else {
      plain.answer(state, s);
      if (wants_answer(s) && random.one_in(8)) s.answer = 1 + static_cast<int>(random.below(3));
      if (!s.list.empty() && random.one_in(6)) s.list.pop_back();
      h.span[static_cast<std::size_t>(open[c])].second = row;
    }
    Items next = state;
    if ((!s.info || random.one_in(2)) && plain.apply(next, s)) state = next;
    h.rows.push_back({open[c], true});
    open[c] = -1;
    --busy;
  }
  return h;
}

// Tries every order that respects real time; not twice from the same point, as a set of operations
// done and the state that they left.
using Tried = std::set<std::pair<unsigned, Items>>;

bool brute_force(const Plain& plain, const Small& h, Tried& tried, unsigned done, const Items& state) {
  if (h.steps.size() > 6 && !tried.emplace(done, state).second) return false;
  int first_return = 1 << 30;
  for (std::size_t i = 0; i < h.steps.size(); ++i)
    if (!(done >> i & 1) && h.span[i].second >= 0) first_return = std::min(first_return, h.span[i].second);
  if (first_return == 1 << 30) return true;
  for (std::size_t i = 0; i < h.steps.size(); ++i) {
    if (done >> i & 1 || h.span[i].first > first_return) continue;
    if (h.steps[i].info && is_read(h.steps[i])) continue;
    if (plain.apply == unordered_step && h.steps[i].info && h.steps[i].f == "dequeue") {
      for (std::size_t k = 0; k < state.size(); ++k) {  // it may have got any of them
        Items rest = state;
        rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(k));
        if (brute_force(plain, h, tried, done | 1U << i, rest)) return true;
      }
      continue;
    }
    Items next = state;
    if (plain.apply(next, h.steps[i]) && brute_force(plain, h, tried, done | 1U << i, next))
      return true;
  }
  return false;
}

Value value_of(Values::Writer& writer, const Step& s, bool completed) {
  if (s.f == "acquire" || s.f == "release") return {};
  if (s.f == "cas") return writer.vector({Value::integer(s.given), Value::integer(s.other)});
  if (!wants_answer(s)) return Value::integer(s.given);
  if (!completed) return {};
  return s.answer < 0 ? Value() : Value::integer(s.answer);
}

Events events_of(const Plain& plain, const Small& h) {
  Events events;
  auto& writer = events.mutable_values().writer();
  const bool lists = plain.model == "linearizable-set" || plain.model == "append-log";
  for (const auto& [step, is_return] : h.rows) {
    const Step& s = h.steps[static_cast<std::size_t>(step)];
    Events::Row row;
    row.type = !is_return ? OpType::invoke : s.info ? OpType::info : OpType::ok;
    row.process = s.process;
    row.f = events.name(s.f);
    row.value = value_of(writer, s, is_return && !s.info);
    if (lists && is_read(s) && is_return && !s.info) {
      std::vector<Value> items;
      for (const int v : s.list) items.push_back(Value::integer(v));
      row.value = writer.vector(items);
    }
    events.append(row);
  }
  if (auto paired = events.pair_up(); !paired) throw std::logic_error(paired.error().message);
  return events;
}

}  // namespace

std::string differential(std::string_view model, std::uint64_t seed, std::size_t histories) {
  const auto plain = std::find_if(std::begin(kPlain), std::end(kPlain),
                                  [&](const Plain& p) { return p.model == model; });
  const linear::Object* object = objects::find(model);
  if (plain == std::end(kPlain) || object == nullptr)
    return fmt::format("nothing to compare the model {} with", model);
  Random random(seed);
  const ModelOptions options;
  const gameday::Limits limits;
  std::size_t valid = 0;
  for (std::size_t n = 0; n < histories; ++n) {
    const Small h = generate(random, *plain);
    Tried tried;
    const bool expected = brute_force(*plain, h, tried, 0, {});
    valid += expected ? 1 : 0;
    const Events events = events_of(*plain, h);
    for (const bool decide : {true, false}) {
      const Verdict verdict = verdict_only(*object, {events, options, limits}, decide);
      if (verdict == (expected ? Verdict::valid : Verdict::invalid)) continue;
      std::string text = fmt::format("{}: history {} of seed {} is {}, but the {} says {}\n", model, n,
                                     seed, expected ? "VALID" : "INVALID",
                                     decide ? "check" : "search alone", to_string(verdict));
      for (std::size_t i = 0; i < events.size(); ++i) text += events.describe(i) + "\n";
      return text;
    }
  }
  if (histories >= 1000 && (valid < histories / 20 || valid > histories - histories / 20))
    return fmt::format("{}: {} of {} histories are VALID, which compares too little", model, valid,
                       histories);
  return {};
}

}  // namespace gameday::linear
