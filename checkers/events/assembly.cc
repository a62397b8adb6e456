#include "checkers/events/assembly.h"

#include <algorithm>

namespace gameday {

std::int32_t& Pairing::open_call(std::int32_t process) {
  // Client numbers are small, or grow by the number of clients after each info: a table while it is
  // not much longer than the history, else a map.
  const auto at = static_cast<std::size_t>(process);
  if (at < dense_.size()) return dense_[at];
  if (at < 4 * events_.size() + 1024) {
    const std::size_t size = std::max({at + 1, 2 * dense_.size(), std::size_t{64}});
    dense_.resize(size, -1);
    for (auto it = sparse_.begin(); it != sparse_.end();) {
      if (static_cast<std::size_t>(it->first) < size) {
        dense_[static_cast<std::size_t>(it->first)] = it->second;
        it = sparse_.erase(it);
      } else {
        ++it;
      }
    }
    return dense_[at];
  }
  return sparse_.try_emplace(process, -1).first->second;
}

Status Pairing::more() {
  const std::size_t size = events_.size();
  if (size > std::size_t{0x7fffffff}) return fail("{} ops are more than can be judged at once", size);
  events_.others_.resize(size, -1);
  auto& pairs = events_.pairs_;
  for (; next_ < size; ++next_) {
    const std::size_t i = next_;
    const std::int32_t process = events_.processes_[i];
    if (process < 0) continue;
    std::int32_t& open =
        static_cast<std::size_t>(process) < dense_.size() ? dense_[static_cast<std::size_t>(process)]
                                                          : open_call(process);
    if (events_.types_[i] == OpType::invoke) {
      if (open >= 0)
        return fail("process {} invokes again while its call {} is open: {}", process,
                    events_.describe(pairs[static_cast<std::size_t>(open)].invoke), events_.describe(i));
      open = static_cast<std::int32_t>(pairs.size());
      pairs.push_back({static_cast<std::uint32_t>(i), -1, OpType::info});
      continue;
    }
    if (open < 0) return fail("a completion without an invocation: {}", events_.describe(i));
    Pair& pair = pairs[static_cast<std::size_t>(open)];
    pair.done = static_cast<std::int32_t>(i);
    pair.outcome = events_.types_[i];
    events_.others_[i] = static_cast<std::int32_t>(pair.invoke);
    events_.others_[pair.invoke] = static_cast<std::int32_t>(i);
    open = -1;
  }
  return {};
}

std::optional<std::size_t> Unnamed::assign_all(Events& events, std::size_t from) {
  for (std::size_t i = from; i < events.size(); ++i)
    if (events.processes_[i] == kUnnamed &&
        !assign(events, i, events.processes_[i])) {
      events.processes_[i] = events.named_process("nil");  // for describe()
      return i;
    }
  return std::nullopt;
}

bool Unnamed::assign(Events& events, std::size_t row, std::int32_t& process) {
  const OpType type = events.types_[row];
  const Events::Name f = events.fs_[row];
  if (type == OpType::invoke) {
    const auto begin = events.processes_.begin();
    if (next_ == 0 && std::any_of(begin, begin + static_cast<std::ptrdiff_t>(row),
                                  [](std::int32_t p) { return p >= 0; }))
      next_ = 1 << 30;  // out of the way of the clients that have a number
    if (idle_.empty()) {
      process = next_++;
    } else {
      std::pop_heap(idle_.begin(), idle_.end(), std::greater<>());
      process = idle_.back();
      idle_.pop_back();
    }
    open_.push_back({process, f});
    return true;
  }
  auto call = std::find_if(open_.rbegin(), open_.rend(), [&](const Call& c) { return c.f == f; });
  if (call == open_.rend() && f == 0) call = open_.rbegin();
  if (call == open_.rend()) {
    if (type != OpType::info) return false;
    process = events.named_process("nil");
    return true;
  }
  process = call->process;
  open_.erase(std::next(call).base());
  if (type != OpType::info) {  // after an info the client is never seen again
    idle_.push_back(process);
    std::push_heap(idle_.begin(), idle_.end(), std::greater<>());
  }
  return true;
}

}  // namespace gameday
