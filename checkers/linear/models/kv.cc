// A string under a key: get, put and append, as in Porcupine's key-value histories. A key that was
// never written holds "". Strings grow by appends until they are long, so a state is the number of a
// string that is known by its parts and its hash.
#include <algorithm>
#include <stdexcept>
#include <unordered_map>

#include "checkers/linear/models/models.h"

namespace gameday::linear {
namespace {

enum : std::int32_t { kGet, kPut, kAppend };

// A polynomial of its bytes, so that the hash of two strings in a row is that of their hashes.
struct Print {
  std::uint64_t hash = 0, power = 1;  // kBase to the length
  std::size_t length = 0;

  static constexpr std::uint64_t kBase = 0x9e3779b97f4a7c15ULL;
  static Print of(std::string_view text) {
    Print p;
    for (const char c : text) {
      p.hash = p.hash * kBase + static_cast<unsigned char>(c) + 1;
      p.power *= kBase;
    }
    p.length = text.size();
    return p;
  }
  Print operator+(const Print& next) const {
    return {hash * next.power + next.hash, power * next.power, length + next.length};
  }
  bool operator==(const Print&) const = default;
};

class Strings final : public Model {
 public:
  explicit Strings(const Names& names) : names_(names) { intern({-1, {}, {}}); }

  State initial() const override { return 0; }
  State step(State state, const Operation& op) const override {
    if (op.kind == kPut) return put(op.a);
    if (op.kind == kGet) return put(op.b) == state ? state : kIllegal;
    const auto key = static_cast<std::uint64_t>(state) << 32 | static_cast<std::uint32_t>(op.a);
    if (const auto known = appended_.find(key); known != appended_.end()) return known->second;
    const std::string_view more = text(op.a);
    const State next =
        more.empty() ? state : intern({state, more, nodes_[index(state)].print + Print::of(more)});
    appended_.emplace(key, next);
    return next;
  }
  bool read_only(const Operation& op) const override { return op.kind == kGet; }
  bool overwrites(const Operation& op) const override { return op.kind == kPut; }
  bool depends(const Operation& op, const Operation& source) const override {
    if (op.kind != kGet || source.kind == kGet) return false;
    return text(op.b).find(text(source.a)) != std::string_view::npos;
  }
  std::string describe(State state) const override {
    std::string all;
    for (State s = state; s > 0; s = nodes_[index(s)].parent) all.insert(0, nodes_[index(s)].tail);
    if (all.size() > 200) all = all.substr(0, 80) + " ... " + all.substr(all.size() - 80);
    return '"' + all + '"';
  }
  std::size_t bytes() const override {
    return nodes_.size() * (sizeof(Node) + 48) + appended_.size() * 48;
  }

 private:
  struct Node {
    State parent;  // what the string begins with; -1: nothing
    std::string_view tail;
    Print print;
  };
  struct Hash {
    std::size_t operator()(const Print& p) const { return p.hash ^ p.hash >> 32; }
  };

  static std::size_t index(std::int32_t i) { return static_cast<std::size_t>(i); }

  // What a value says; of what is no string, its EDN.
  std::string_view text(std::int32_t id) const {
    if (id < 0) return {};
    const Value v = names_.dense.value(id);
    if (v.kind() == Value::Kind::string) return names_.values.text(v);
    auto& text = others_[id];
    if (text.empty()) text = names_.values.edn(v);
    return text;
  }
  State put(std::int32_t id) const {
    if (id < 0) return 0;
    if (index(id) >= puts_.size()) puts_.resize(names_.dense.size(), -1);
    State& state = puts_[index(id)];
    if (state < 0) state = intern({-1, text(id), Print::of(text(id))});
    return state;
  }
  State intern(const Node& node) const {
    const auto [from, to] = known_.equal_range(node.print);
    for (auto it = from; it != to; ++it)
      if (same(nodes_[index(it->second)], node)) {
        // What stands in one piece is compared fast.
        if (node.parent < 0) nodes_[index(it->second)] = node;
        return it->second;
      }
    const auto state = static_cast<State>(nodes_.size());
    nodes_.push_back(node);
    known_.emplace(node.print, state);
    return state;
  }
  // Of strings of the same length, piece by piece from their ends.
  bool same(Node x, Node y) const {
    for (;;) {
      const std::size_t n = std::min(x.tail.size(), y.tail.size());
      if (x.tail.substr(x.tail.size() - n) != y.tail.substr(y.tail.size() - n)) return false;
      x.tail.remove_suffix(n);
      y.tail.remove_suffix(n);
      if (x.tail.empty() && y.tail.empty() && x.parent == y.parent) return true;
      for (Node* node : {&x, &y}) {
        if (!node->tail.empty()) continue;
        if (node->parent < 0) return true;  // as long as each other: the other one ends too
        *node = nodes_[index(node->parent)];
      }
    }
  }

  const Names& names_;
  mutable std::vector<Node> nodes_;
  mutable std::unordered_multimap<Print, State, Hash> known_;
  mutable std::unordered_map<std::uint64_t, State> appended_;
  mutable std::vector<State> puts_;                            // by value
  mutable std::unordered_map<std::int32_t, std::string> others_;
};

constexpr Function kFunctions[] = {
    {"get read r", kGet, Takes::answer, true},
    {"put write set w", kPut, Takes::argument},
    {"append", kAppend, Takes::argument},
};

std::unique_ptr<Model> make(Names& names, const ModelOptions& options, std::span<const Operation>) {
  if (!options.initial.empty()) throw std::invalid_argument("kv begins empty: it takes no --initial");
  return std::make_unique<Strings>(names);
}

}  // namespace

const Object objects::kKv{"the string", kFunctions, make};

}  // namespace gameday::linear
