// The objects that linearizability is checked of: registers, a queue, a set, a log.
#pragma once

#include <algorithm>
#include <deque>

#include "checkers/bench/simulate.h"

namespace gameday::bench {

// One register or one a key. Without `values` every write writes another value; with, they are
// 0 ... values - 1 and there is compare-and-set.
class Registers {
 public:
  struct Call {
    enum F : std::uint8_t { read, write, cas } f = read;
    std::uint32_t key = 0;
    std::int64_t value = kNone, expected = kNone;
  };

  Registers(const Plan& plan, bool independent)
      : plan_(plan), independent_(independent), state_(plan.keys, kNone) {}

  Call invoke(Random& random) {
    Call call;
    if (independent_) call.key = random.below(plan_.keys);
    const auto any = [&] { return static_cast<std::int64_t>(random.below(plan_.values)); };
    if (plan_.values > 0) {
      call.f = static_cast<Call::F>(random.below(3));
      if (call.f == Call::cas) call.expected = any();
      if (call.f != Call::read) call.value = any();
    } else if (random.coin()) {
      call.f = Call::write;
      call.value = next_++;
    }
    return call;
  }
  bool changes(const Call& call) const { return call.f != Call::read; }
  bool apply(Call& call) {
    std::int64_t& state = state_[call.key];
    if (call.f == Call::read) {
      call.value = state;
      return true;
    }
    if (call.f == Call::cas && state != call.expected) return false;
    state = call.value;
    return true;
  }

  std::string_view f(const Call& call) const {
    constexpr std::string_view kNames[] = {"read", "write", "cas"};
    return kNames[call.f];
  }
  void value(Text& text, const Call& call, bool answered) const {
    if (independent_) {
      text.put('[');
      text.number(call.key);
      text.comma();
    }
    if (call.f == Call::cas) {
      text.put('[');
      text.number(call.expected);
      text.comma();
      text.number(call.value);
      text.put(']');
    } else if ((call.f == Call::read && !answered) || call.value == kNone) {
      text.null();
    } else {
      text.number(call.value);
    }
    if (independent_) text.put(']');
  }

  template <class Simulation>
  void violate(Simulation& simulation) {
    // Two writes, one after the other, and a read of the first. With infos another writer of that
    // value could be late, so where values repeat it is one that nobody writes.
    const auto key = independent_ ? simulation.random().below(plan_.keys) : 0;
    const bool repeat = plan_.values > 0;
    for (const std::int64_t value : {repeat ? 0 : next_, repeat ? 1 : next_ + 1}) {
      Call write{Call::write, key, value};
      apply(write);
      simulation.record(write);
    }
    const Call call{Call::read, key, !repeat ? next_ : plan_.infos > 0 ? plan_.values : 0};
    next_ += 2;
    simulation.record(call);
  }
  template <class Simulation>
  void finish(Simulation&) {}

 private:
  static constexpr std::int64_t kNone = -1;
  const Plan& plan_;
  bool independent_;
  std::vector<std::int64_t> state_;
  std::int64_t next_ = 0;
};

// FIFO, distinct values. A dequeue that finds nothing fails.
class Queue {
 public:
  struct Call {
    bool enqueue = false;
    std::int64_t value = 0;
  };

  Call invoke(Random& random) { return random.coin() ? Call{true, next_++} : Call{}; }
  bool changes(const Call&) const { return true; }
  bool apply(Call& call) {
    if (call.enqueue) {
      items_.push_back(call.value);
      return true;
    }
    if (items_.empty()) return false;
    call.value = items_.front();
    items_.pop_front();
    return true;
  }
  std::string_view f(const Call& call) const { return call.enqueue ? "enqueue" : "dequeue"; }
  void value(Text& text, const Call& call, bool answered) const {
    if (!call.enqueue && !answered) return text.null();
    text.number(call.value);
  }
  template <class Simulation>
  void violate(
      Simulation& simulation) {  // two that went in one after the other come out the other way
    for (int i = 0; i < 2; ++i) {
      Call call{true, next_++};
      apply(call);
      simulation.record(call);
    }
    std::swap(items_[items_.size() - 2], items_.back());
    finish(simulation);
  }
  template <class Simulation>
  void finish(Simulation& simulation) {
    for (; !items_.empty(); items_.pop_front()) simulation.record({false, items_.front()});
  }

 private:
  std::deque<std::int64_t> items_;
  std::int64_t next_ = 0;
};

// Elements are added once; reads of all become rarer as the set grows, and one is the last op. As a
// log: appends answer [element, place], places count from 0, and reads show the list.
class Collection {
 public:
  struct Call {
    bool read = false;
    std::int64_t value = 0;
    std::size_t size = 0;  // before an addition; of what a read saw
    std::size_t without = SIZE_MAX;
  };

  explicit Collection(bool log) : log_(log) {}
  Call invoke(Random& random) {
    Call call;
    call.read = shown_ + items_.size() < 2 * invoked_ && random.below(8) == 0;
    if (call.read)
      shown_ += items_.size();
    else
      call.value = next_++;
    ++invoked_;
    return call;
  }
  bool changes(const Call& call) const { return !call.read; }
  bool apply(Call& call) {
    call.size = items_.size();
    if (!call.read) items_.push_back(call.value);
    return true;
  }
  std::string_view f(const Call& call) const {
    return call.read ? "read" : log_ ? "append" : "add";
  }
  void value(Text& text, const Call& call, bool answered) const {
    if (!call.read) {
      if (!log_ || !answered) return text.number(call.value);
      text.put('[');
      text.number(call.value);
      text.comma();
      text.number(static_cast<std::int64_t>(call.size));
      return text.put(']');
    }
    if (!answered) return text.null();
    const bool set = !log_ && !text.json();
    text.put(set ? "#{" : "[");
    bool first = true;
    for (std::size_t i = 0; i < call.size; ++i) {
      if (i == call.without) continue;
      if (!first) text.comma();
      first = false;
      text.number(items_[i]);
    }
    text.put(set ? '}' : ']');
  }
  template <class Simulation>
  void violate(Simulation& simulation) {  // an acknowledged element is missing
    Call call{false, next_++};
    apply(call);
    simulation.record(call);
    Call read{true};
    apply(read);
    read.without = call.size;
    simulation.record(read);
  }
  template <class Simulation>
  void finish(Simulation& simulation) {
    Call read{true};
    apply(read);
    simulation.record(read);
  }

 private:
  bool log_;
  std::vector<std::int64_t> items_;
  std::size_t shown_ = 0, invoked_ = 0;
  std::int64_t next_ = 0;
};

}  // namespace gameday::bench
