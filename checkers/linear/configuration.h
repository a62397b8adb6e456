// Configurations of the just-in-time search: what may have happened as of one moment of a history.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "checkers/linear/model.h"

namespace gameday::linear {

inline constexpr std::size_t kScan = 48;  // configurations of one state compared for dominance

template <std::size_t W>
struct Mask {
  std::array<std::uint64_t, W> words{};
  bool test(std::size_t i) const { return words[i / 64] >> (i % 64) & 1; }
  void set(std::size_t i) { words[i / 64] |= std::uint64_t{1} << (i % 64); }
  void reset(std::size_t i) { words[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  bool operator==(const Mask&) const = default;
  bool within(const Mask& o) const {
    for (std::size_t w = 0; w < W; ++w)
      if (words[w] & ~o.words[w]) return false;
    return true;
  }
  bool meets(const Mask& o) const {
    for (std::size_t w = 0; w < W; ++w)
      if (words[w] & o.words[w]) return true;
    return false;
  }
  void add(const Mask& o) {
    for (std::size_t w = 0; w < W; ++w) words[w] |= o.words[w];
  }
  void drop(const Mask& o) {
    for (std::size_t w = 0; w < W; ++w) words[w] &= ~o.words[w];
  }
  Mask both(const Mask& o) const {
    Mask m;
    for (std::size_t w = 0; w < W; ++w) m.words[w] = words[w] & o.words[w];
    return m;
  }
  template <typename F>
  void each(F f) const {
    for (std::size_t w = 0; w < W; ++w)
      for (std::uint64_t rest = words[w]; rest != 0; rest &= rest - 1)
        f(w * 64 + static_cast<std::size_t>(std::countr_zero(rest)));
  }
};

// must: open calls that still have to be linearized before they return. may: open calls that still
// can be. A call in may alone is optional: it may have happened already without a trace, as a write
// has that another one overwrote at once, so nothing need be decided about it. used: which of the
// calls that never returned (info) have happened, as a number of a UsedSets.
template <std::size_t W>
struct Configuration {
  Mask<W> must, may;
  State state = 0;
  std::uint32_t used = 0;
  bool operator==(const Configuration&) const = default;
  std::size_t hash() const {
    std::uint64_t h = static_cast<std::uint64_t>(static_cast<std::uint32_t>(state)) << 32 | used;
    for (std::size_t w = 0; w < W; ++w)
      for (const std::uint64_t word : {must.words[w], may.words[w]}) {
        h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
        h ^= h >> 29;
      }
    h *= 0xbf58476d1ce4e5b9ULL;
    return h ^ h >> 32;
  }
};

// Multisets of classes of equal info calls, by number; 0 is the empty one.
class UsedSets {
 public:
  UsedSets() { sets_.emplace_back(); }
  std::uint32_t with(std::uint32_t set, std::uint32_t item) {
    const std::uint64_t key = static_cast<std::uint64_t>(set) << 32 | item;
    const auto [it, added] = grown_.try_emplace(key, 0);
    if (!added) return it->second;
    auto items = sets_[set];
    items.insert(std::upper_bound(items.begin(), items.end(), item), item);
    std::string text(reinterpret_cast<const char*>(items.data()), items.size() * sizeof items[0]);
    const auto [known, is_new] = ids_.try_emplace(std::move(text), static_cast<std::uint32_t>(sets_.size()));
    bytes_ += 64;
    if (is_new) {
      bytes_ += 2 * items.size() * sizeof items[0] + 120;
      sets_.push_back(std::move(items));
    }
    return grown_[key] = known->second;
  }
  std::size_t count(std::uint32_t set, std::uint32_t item) const {
    const auto [from, to] = std::equal_range(sets_[set].begin(), sets_[set].end(), item);
    return static_cast<std::size_t>(to - from);
  }
  std::size_t size(std::uint32_t set) const { return sets_[set].size(); }
  bool within(std::uint32_t a, std::uint32_t b) const {
    return a == b || a == 0 ||
           std::includes(sets_[b].begin(), sets_[b].end(), sets_[a].begin(), sets_[a].end());
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::vector<std::vector<std::uint32_t>> sets_;
  std::unordered_map<std::uint64_t, std::uint32_t> grown_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::size_t bytes_ = 0;
};

// Configurations of one moment, none of which another one makes needless.
template <std::size_t W>
class Frontier {
 public:
  using C = Configuration<W>;
  explicit Frontier(const UsedSets& used) : used_(&used) {}

  // False if one that is there can do whatever this one can.
  bool insert(const C& c) {
    if (all_.size() >= kScan) return insert_indexed(c);
    for (const C& known : all_)
      if (dominates(known, c)) return false;
    all_.push_back(c);
    return true;
  }
  // The same, and drops those that this one makes needless: numbers of others change.
  bool insert_and_drop(const C& c) {
    if (!insert(c)) return false;
    if (all_.size() <= kScan) {
      all_.pop_back();
      std::erase_if(all_, [&](const C& other) { return dominates(c, other); });
      all_.push_back(c);
    }
    return true;
  }
  void clear() {
    all_.clear();
    if (index_.empty()) return;
    index_.clear();
    exact_.clear();
  }
  std::vector<C>& all() { return all_; }
  std::size_t bytes() const { return all_.capacity() * sizeof(C) + exact_.size() * (sizeof(C) + 40); }

 private:
  bool dominates(const C& a, const C& b) const {
    return a.state == b.state && a.must.within(b.must) && b.may.within(a.may) &&
           used_->within(a.used, b.used);
  }
  // Exact for equal ones; for dominance it looks at the first and the last of the same state.
  bool insert_indexed(const C& c) {
    if (index_.empty())
      for (std::size_t i = 0; i < all_.size(); ++i) {
        index_[all_[i].state].push_back(i);
        exact_.insert(all_[i]);
      }
    if (exact_.contains(c)) return false;
    auto& same = index_[c.state];
    for (std::size_t i = 0; i < same.size(); ++i) {
      if (i == kScan && same.size() > 2 * kScan) i = same.size() - kScan;
      if (dominates(all_[same[i]], c)) return false;
    }
    exact_.insert(c);
    same.push_back(all_.size());
    all_.push_back(c);
    return true;
  }
  struct Hash {
    std::size_t operator()(const C& c) const { return c.hash(); }
  };
  const UsedSets* used_;
  std::vector<C> all_;
  std::unordered_map<State, std::vector<std::size_t>> index_;
  std::unordered_set<C, Hash> exact_;
};

}  // namespace gameday::linear
