#include "checkers/txn/key_check.h"

#include <fmt/format.h>

#include <algorithm>

namespace gameday::txn {

std::string KeyCheck::text(Value v) const {
  constexpr std::size_t kLongest = 400;
  std::string text = events_.values().edn(v);
  if (text.size() > kLongest) text = text.substr(0, kLongest - 3) + "...";
  return text;
}

Anomaly KeyCheck::word(std::string summary, std::initializer_list<const Mop*> mops) const {
  Anomaly anomaly;
  anomaly.summary = std::move(summary);
  anomaly.detail["key"] = events_.values().json(order_.key());
  for (const Mop* mop : mops) {
    if (mop == nullptr) continue;
    const std::size_t at = row(*mop);
    const std::int64_t op = events_.index(at);
    if (std::find(anomaly.ops.begin(), anomaly.ops.end(), op) != anomaly.ops.end()) continue;
    anomaly.ops.push_back(op);
    anomaly.explanation.push_back(fmt::format("op {} = {}", op, events_.describe(at)));
  }
  return anomaly;
}

void KeyCheck::run(std::size_t key) {
  order_.load(key);
  if (order_.appended_twice() != kNobody) {
    const Mop& mop = order_.mops()[static_cast<std::size_t>(order_.appended_twice())];
    anomalies_.unknown(
        fmt::format("{} is appended to {} more than once (op {}), so reads do not tell "
                    "which of the appends they saw",
                    text(mop.value), text(order_.key()), events_.index(row(mop))));
    return;
  }
  readers_of_last_.clear();
  told_incompatible_ = false;
  own_mops();
  learn_positions();
  writes();
  for (std::size_t i = 0; i < order_.mops().size(); ++i)
    if (order_.reads(order_.mops()[i])) read(i);
  unobserved();
  dirty_updates();
  lost_updates();
}

// What prefixes of the longest read have in them.
void KeyCheck::learn_positions() {
  const auto list = order_.longest();
  seen_.assign(list.size() + 1, {});
  std::size_t position = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    seen_[i + 1] = seen_[i];
    const bool first = position < order_.positions() && order_.element(position) == list[i];
    if (!first) seen_[i + 1].repeated = true;
    const std::int32_t mop = first ? order_.appender(position++) : order_.find(list[i]);
    if (mop == kNobody && first)
      never_written(order_.mops()[static_cast<std::size_t>(order_.longest_mop())], list[i]);
    if (mop != kNobody && outcome(order_.mops()[static_cast<std::size_t>(mop)]) == OpType::fail)
      ++seen_[i + 1].aborted;
  }
}

void KeyCheck::writes() {
  for (std::size_t p = 1; p < order_.positions(); ++p)
    edge(node(order_.appender(p - 1)), node(order_.appender(p)), kWw);
}

void KeyCheck::read(std::size_t i) {
  const Mop& mop = order_.mops()[i];
  const auto list = order_.list(mop);
  const bool prefix = order_.prefix(list);
  if (!prefix) incompatible(mop);
  if (!prefix || seen_[list.size()].aborted != 0 || seen_[list.size()].repeated)
    read_contents(mop, list, prefix);
  const std::int32_t state = order_.state(list);
  const Node reader = transactions_.of_pair(mop.pair);
  const std::int32_t last = list.empty() ? kNobody
                            : state > 0  ? order_.appender(static_cast<std::size_t>(state) - 1)
                                         : order_.find(list.back());
  if (last != kNobody) {
    edge(node(last), reader, kWr);
    intermediate(mop, last);
  }
  if (state < 0) return;
  if (static_cast<std::size_t>(state) < order_.positions())
    edge(reader, node(order_.appender(static_cast<std::size_t>(state))), kRw);
  else
    readers_of_last_.push_back(reader);
}

// Aborted, repeated and never written elements.
void KeyCheck::read_contents(const Mop& mop, std::span<const Value> list, bool prefix) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::int32_t by = order_.find(list[i]);
    if (by == kNobody) {
      if (!prefix) never_written(mop, list[i]);
      continue;
    }
    const Mop& writer = order_.mops()[static_cast<std::size_t>(by)];
    if (outcome(mop) != OpType::ok || outcome(writer) != OpType::fail) continue;
    anomalies_.add("G1a", [&] {
      Anomaly a = word(fmt::format("op {} read {} in {}, which the failed op {} appended",
                                   events_.index(row(mop)), text(list[i]), text(order_.key()),
                                   events_.index(row(writer))),
                       {&writer, &mop});
      a.detail["element"] = events_.values().json(list[i]);
      return a;
    });
  }
  if (prefix && !seen_[list.size()].repeated) return;
  std::vector<Value> sorted(list.begin(), list.end());
  const auto hash = [&](Value v) { return events_.values().hash(v); };
  std::sort(sorted.begin(), sorted.end(), [&](Value a, Value b) { return hash(a) < hash(b); });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (!order_.same(sorted[i - 1], sorted[i])) continue;
    anomalies_.add("duplicate-elements", [&] {
      Anomaly a = word(fmt::format("op {} read {} more than once in {}", events_.index(row(mop)),
                                   text(sorted[i]), text(order_.key())),
                       {&mop});
      a.detail["element"] = events_.values().json(sorted[i]);
      return a;
    });
    break;
  }
}

void KeyCheck::never_written(const Mop& mop, Value element) {
  anomalies_.add("never-written", [&] {
    Anomaly a = word(fmt::format("op {} read {} in {}, which no transaction appended",
                                 events_.index(row(mop)), text(element), text(order_.key())),
                     {&mop});
    a.detail["element"] = events_.values().json(element);
    return a;
  });
}

void KeyCheck::incompatible(const Mop& mop) {
  if (told_incompatible_) return;  // once a key, as Elle does
  told_incompatible_ = true;
  const Mop& longest = order_.mops()[static_cast<std::size_t>(order_.longest_mop())];
  anomalies_.add("incompatible-order", [&] {
    Anomaly a = word(fmt::format("{} was read as {} and as {}: neither grew out of the other",
                                 text(order_.key()), text(mop.value), text(longest.value)),
                     {&mop, &longest});
    a.detail["values"] = {events_.values().json(mop.value), events_.values().json(longest.value)};
    return a;
  });
}

void KeyCheck::intermediate(const Mop& mop, std::int32_t appender) {
  const Mop& writer = order_.mops()[static_cast<std::size_t>(appender)];
  if (!intermediate_[static_cast<std::size_t>(appender)] || writer.pair == mop.pair ||
      outcome(mop) != OpType::ok)
    return;
  anomalies_.add("G1b", [&] {
    Anomaly a =
        word(fmt::format("op {} read {} up to {}, which was not the last that op {} appended to it",
                         events_.index(row(mop)), text(order_.key()), text(writer.value),
                         events_.index(row(writer))),
             {&writer, &mop});
    a.detail["element"] = events_.values().json(writer.value);
    return a;
  });
}

// An append that no read shows came after all that the longest read shows.
void KeyCheck::unobserved() {
  const Node last = order_.positions() == 0 ? kNone : node(order_.appender(order_.positions() - 1));
  std::sort(readers_of_last_.begin(), readers_of_last_.end());
  readers_of_last_.erase(std::unique(readers_of_last_.begin(), readers_of_last_.end()),
                         readers_of_last_.end());
  std::vector<Node> writers;
  for (std::size_t i = 0; i < order_.mops().size(); ++i) {
    if (!order_.mops()[i].append() || order_.position(i) >= 0) continue;
    const Node writer = transactions_.of_pair(order_.mops()[i].pair);
    if (writer == kNone || (!writers.empty() && writers.back() == writer)) continue;
    edge(last, writer, kWw);
    writers.push_back(writer);  // ascending, as mops are in order of invocation
  }
  constexpr std::size_t kFew = 8;
  if (writers.size() <= kFew || readers_of_last_.size() <= kFew) {
    for (const Node reader : readers_of_last_)
      for (const Node writer : writers) edge(reader, writer, kRw);
  } else {
    join(readers_of_last_, writers);
  }
}

// Every reader before every writer but itself, in linear size: one chain of joints leads to each
// writer and those after it, another to each and those before it.
void KeyCheck::join(const std::vector<Node>& readers, const std::vector<Node>& writers) {
  const auto count = static_cast<Node>(writers.size());
  const Node after = joints_.fetch_add(2 * count), before = after + count;
  for (Node i = 0; i < count; ++i) {
    edges_.push_back({after + i, writers[i], 0});
    edges_.push_back({before + i, writers[i], 0});
    if (i + 1 < count) edges_.push_back({after + i, after + i + 1, 0});
    if (i > 0) edges_.push_back({before + i, before + i - 1, 0});
  }
  for (const Node reader : readers) {
    const auto at = std::lower_bound(writers.begin(), writers.end(), reader);
    const auto i = static_cast<Node>(at - writers.begin());
    if (at == writers.end() || *at != reader) {
      edges_.push_back({reader, after, kRw});
      continue;
    }
    if (i > 0) edges_.push_back({reader, before + i - 1, kRw});
    if (i + 1 < count) edges_.push_back({reader, after + i + 1, kRw});
  }
}

void KeyCheck::own_mops() {
  const auto mops = order_.mops();
  intermediate_.assign(mops.size(), false);
  for (std::size_t first = 0; first < mops.size();) {
    std::size_t last = first + 1;
    while (last < mops.size() && mops[last].pair == mops[first].pair) ++last;
    if (last - first > 1) own_transaction(first, last);
    first = last;
  }
}

// The mops of one transaction: each read must show what it read and appended before (Cerone et
// al.'s INT), and none of what it appends later.
void KeyCheck::own_transaction(std::size_t first, std::size_t last) {
  const auto mops = order_.mops();
  std::int64_t later = -1;
  for (std::size_t i = last; i-- > first;)
    if (mops[i].append()) {
      if (later >= 0) intermediate_[i] = true;
      later = static_cast<std::int64_t>(i);
    }
  own_order(first, last);
  if (outcome(mops[first]) != OpType::ok) return;
  future_read(first, last);
  const Mop* base = nullptr;    // the last read
  std::vector<Value> appended;  // since
  bool told = false;
  for (std::size_t i = first; i < last; ++i) {
    if (mops[i].append()) {
      appended.push_back(mops[i].value);
      continue;
    }
    const auto list = order_.list(mops[i]);
    const auto before = base == nullptr ? std::span<const Value>() : order_.list(*base);
    bool right = base == nullptr ? list.size() >= appended.size()
                                 : list.size() == before.size() + appended.size();
    for (std::size_t k = 0; right && k < before.size(); ++k)
      right = order_.same(before[k], list[k]);
    for (std::size_t k = 0; right && k < appended.size(); ++k)
      right = order_.same(appended[k], list[list.size() - appended.size() + k]);
    if (!right && !told) {
      told = true;
      anomalies_.add("internal", [&] {
        return word(
            fmt::format("op {} read {} as {}, though {}", events_.index(row(mops[i])),
                        text(order_.key()), text(mops[i].value),
                        appended.empty() ? fmt::format("it had just read {}", text(base->value))
                        : base == nullptr
                            ? fmt::format("it had just appended {}", text(appended.back()))
                            : fmt::format("it had read {} and then appended {}", text(base->value),
                                          text(appended.back()))),
            {&mops[i]});
      });
    }
    base = &mops[i];
    appended.clear();
  }
}

// Elements that one transaction appended must be read in its own order: versions of one transaction
// are installed in the order of its events (Adya, section 3.1.1).
void KeyCheck::own_order(std::size_t first, std::size_t last) {
  const auto mops = order_.mops();
  const Mop* before = nullptr;
  std::int32_t position = -1;
  for (std::size_t i = first; i < last && !told_incompatible_; ++i) {
    if (!mops[i].append() || order_.position(i) < 0) continue;
    if (order_.position(i) < position) {
      told_incompatible_ = true;
      const Mop& longest = order_.mops()[static_cast<std::size_t>(order_.longest_mop())];
      anomalies_.add("incompatible-order", [&] {
        return word(
            fmt::format("{} was read as {}, though op {} appended {} before {}", text(order_.key()),
                        text(longest.value), events_.index(row(mops[i])), text(before->value),
                        text(mops[i].value)),
            {&mops[i], &longest});
      });
    }
    before = &mops[i];
    position = order_.position(i);
  }
}

// A transaction that reads what it appends later.
void KeyCheck::future_read(std::size_t first, std::size_t last) {
  const auto mops = order_.mops();
  const Mop* longest =
      nullptr;  // of the reads so far that are no strangers to the order of the key
  for (std::size_t i = first; i < last; ++i) {
    if (!mops[i].append()) {
      if (longest == nullptr || order_.list(mops[i]).size() > order_.list(*longest).size())
        longest = &mops[i];
      continue;
    }
    if (longest == nullptr) continue;
    const auto list = order_.list(*longest);
    const std::int32_t position = order_.position(i);
    const auto shows = [&](Value v) { return order_.same(v, mops[i].value); };
    const bool shown = order_.prefix(list) ? position >= 0 && order_.state(list) > position
                                           : std::any_of(list.begin(), list.end(), shows);
    if (!shown) continue;
    anomalies_.add("future-read", [&] {
      Anomaly a =
          word(fmt::format("op {} read {} in {} before it appended it itself",
                           events_.index(row(mops[i])), text(mops[i].value), text(order_.key())),
               {&mops[i]});
      a.detail["element"] = events_.values().json(mops[i].value);
      return a;
    });
    return;
  }
}

// A committed append on top of an aborted one. What an info transaction did in between says
// neither.
void KeyCheck::dirty_updates() {
  if (seen_.back().aborted == 0) return;
  const Mop* aborted = nullptr;
  for (std::size_t p = 0; p < order_.positions(); ++p) {
    if (order_.appender(p) == kNobody) continue;
    const Mop& mop = order_.mops()[static_cast<std::size_t>(order_.appender(p))];
    if (outcome(mop) == OpType::fail && aborted == nullptr) aborted = &mop;
    if (outcome(mop) != OpType::ok || aborted == nullptr) continue;
    anomalies_.add("dirty-update", [&] {
      return word(
          fmt::format("op {} appended {} to {} on top of {}, which the failed op {} appended",
                      events_.index(row(mop)), text(mop.value), text(order_.key()),
                      text(aborted->value), events_.index(row(*aborted))),
          {aborted, &mop});
    });
    aborted = nullptr;
  }
}

// Two committed transactions that read the same state and appended to it: one went over the other
// (Adya's H_lu; Berenson et al., "A Critique of ANSI SQL Isolation Levels", 1995, P4).
void KeyCheck::lost_updates() {
  const auto mops = order_.mops();
  struct Update {
    std::size_t length, hash, mop;
  };
  std::vector<Update> updates;
  for (std::size_t first = 0; first < mops.size();) {
    std::size_t last = first + 1;
    while (last < mops.size() && mops[last].pair == mops[first].pair) ++last;
    if (!mops[first].append() && outcome(mops[first]) == OpType::ok)
      for (std::size_t i = first; i < last; ++i)
        if (mops[i].append()) {
          const auto list = order_.list(mops[first]);
          updates.push_back({list.size(),
                             order_.prefix(list) ? 0 : events_.values().hash(mops[first].value) | 1,
                             first});
          break;
        }
    first = last;
  }
  std::stable_sort(updates.begin(), updates.end(), [](const Update& a, const Update& b) {
    return std::tie(a.length, a.hash) < std::tie(b.length, b.hash);
  });
  for (std::size_t i = 1; i < updates.size(); ++i) {
    const auto same = [&](std::size_t a, std::size_t b) {
      return updates[a].length == updates[b].length && updates[a].hash == updates[b].hash;
    };
    if (!same(i - 1, i) || (i > 1 && same(i - 2, i))) continue;  // a group once
    const Mop &a = mops[updates[i - 1].mop], &b = mops[updates[i].mop];
    anomalies_.add("lost-update", [&] {
      return word(fmt::format("ops {} and {} both read {} as {} and then appended to it",
                              events_.index(row(a)), events_.index(row(b)), text(order_.key()),
                              text(a.value)),
                  {&a, &b});
    });
  }
}

}  // namespace gameday::txn
