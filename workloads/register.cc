// Reads, writes and conditional writes of single documents through strong reads (invariant I19),
// with a few local reads beside them. A few documents are in use at a time and each for a short
// while only: per-key histories stay short enough for a general linearizability search, and
// contention stays high (Jepsen's linearizable-register test does the same).
#include <array>

#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace register_ops {
namespace {

constexpr std::int64_t kKeysAtATime = 4;
constexpr std::int64_t kOpsPerKey = 120;

// Knows the last value it saw for the documents in use, so that conditional writes have a chance.
class RegisterGenerator final : public Generator {
 public:
  RegisterGenerator(Rng rng, bool local_reads) : rng_(rng), local_reads_(local_reads) {}

  Step step(const Context& c) const override {
    if (c.free.none()) return {Step::Kind::pending, {}, shared_from_this()};
    auto next = std::make_shared<RegisterGenerator>(*this);
    Op op = next->draw();
    Step s = gen::emit(std::move(op), c, std::move(next));
    if (s.kind == Step::Kind::pending) s.next = shared_from_this();
    return s;
  }

  Gen update(const Context&, const Op& event) const override {
    if (event.type != OpType::ok) return shared_from_this();
    const bool read = event.f == "read";
    if (!read && event.f != "write" && event.f != "cas") return shared_from_this();
    const Json& value = event.f == "cas" ? event.value[1][1] : event.value[1];
    const auto key = event.value[0].get<std::int64_t>();
    if (group_of(key) != group() || !value.is_number_integer()) return shared_from_this();
    auto next = std::make_shared<RegisterGenerator>(*this);
    next->last_[static_cast<std::size_t>(key % kKeysAtATime)] = {key, value.get<std::int64_t>()};
    return next;
  }

 private:
  struct Seen {
    std::int64_t key = -1;
    std::int64_t value = 0;
  };
  static std::int64_t group_of(std::int64_t key) { return key / kKeysAtATime; }
  std::int64_t group() const { return n_ / (kKeysAtATime * kOpsPerKey); }

  Op draw() {
    const std::int64_t n = n_++;
    const auto slot = rng_.below(kKeysAtATime);
    const std::int64_t key =
        n / (kKeysAtATime * kOpsPerKey) * kKeysAtATime + static_cast<std::int64_t>(slot);
    const Seen& seen = last_[slot];
    const double what = rng_.unit();
    if (what < 0.40) return make_op("read", {key, nullptr});
    if (what < 0.55) return make_op(local_reads_ ? "get" : "read", {key, nullptr});
    if (what < 0.75 && seen.key == key) return make_op("cas", {key, {seen.value, n}});
    return make_op("write", {key, n});
  }

  Rng rng_;
  bool local_reads_;
  std::int64_t n_ = 0;
  std::array<Seen, kKeysAtATime> last_;
};

Gen clients(const WorkloadOptions& options) {
  return at_rate(std::make_shared<const RegisterGenerator>(Rng(options.seed).fork("register"),
                                                           options.numbered),
                 options);
}

// The jobs tell which writes of unknown outcome were never committed.
Gen final_reads(const WorkloadOptions& options) {
  return options.numbered ? read_every_node("jobs", options) : nullptr;
}

}  // namespace
}  // namespace register_ops

const Workload kRegister{"register", "read, write and cas single keys",
                         "linearizable, dirty-read", "linearizable dirty-read",
                         register_ops::clients, register_ops::final_reads};

}  // namespace gameday::workloads
