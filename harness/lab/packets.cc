#include "harness/lab/packets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "harness/lab/chains.h"
#include "harness/lab/namespaces.h"
#include "harness/lab/packet_queue.h"
#include "harness/lab/universe.h"

namespace gameday::lab {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using Pair = std::uint64_t;  // sender and receiver

constexpr const char* kMangleRoot = "GAMEDAY-PACKETS";
constexpr std::uint32_t kInjected = 0x6764;  // mark of the packets that we send ourselves
constexpr int kPriority = 10;

std::uint32_t address_number(const std::string& text) {
  in_addr address{};
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1 ? ntohl(address.s_addr) : 0;
}
Pair pair_of(std::uint32_t from, std::uint32_t to) { return Pair{from} << 32 | to; }

// The kernel's half of a rule: it may queue a little more than the rule is about, never less.
void append_lines(const PacketRule& rule, Chains::Rules& lines) {
  using Protocol = PacketRule::Protocol;
  const bool has_ports = !rule.from_ports.any() || !rule.to_ports.any();
  std::string ports;
  if (!rule.from_ports.any())
    ports += fmt::format(" --sport {}:{}", rule.from_ports.first, rule.from_ports.last);
  if (!rule.to_ports.any())
    ports += fmt::format(" --dport {}:{}", rule.to_ports.first, rule.to_ports.last);
  const auto append = [&](const std::string& match) {
    lines.push_back(fmt::format("-s {} -d {}{} -j NFQUEUE --queue-num 0", rule.from, rule.to, match));
  };
  const bool syn = rule.only == PacketRule::Only::syn;
  if (rule.protocol == Protocol::any && !has_ports && !syn) return append("");
  if (rule.protocol != Protocol::udp) append(" -p tcp" + ports + (syn ? " --syn" : ""));
  if (rule.protocol != Protocol::tcp && !syn) append(" -p udp" + ports);
}

tl::unexpected<Error> no_set(int id) { return fail("no set {} of packet rules", id); }

struct Flow {
  int set = 0;
  PacketRule rule;
  Pair pair = 0;
  Impairment impairment;
  Dice dice;
  PacketCounts counts;
  std::uint64_t last = 0;  // the latest packet that went on
  std::size_t holding = 0;
};

// A packet that waits.
struct Item {
  struct Share {
    Flow* flow;
    nanoseconds delay;
  };
  std::uint64_t number = 0;           // in the order of arrival
  std::optional<std::uint32_t> id{};  // in the queue; a copy has none
  std::vector<std::uint8_t> bytes{};  // empty: as they are
  std::vector<Share> shares{};        // who makes it wait
  Clock::time_point due{};

  bool held() const {
    return std::any_of(shares.begin(), shares.end(),
                       [](const Share& share) { return share.flow->impairment.hold; });
  }
};

bool later(const Item& a, const Item& b) {
  return std::pair(a.due, a.number) > std::pair(b.due, b.number);
}

}  // namespace

PacketCounts& PacketCounts::operator+=(const PacketCounts& other) {
  seen += other.seen;
  dropped += other.dropped;
  delayed += other.delayed;
  corrupted += other.corrupted;
  duplicated += other.duplicated;
  reordered += other.reordered;
  held += other.held;
  released += other.released;
  return *this;
}

struct Packets::Impl {
  Impl(Chains made_chains, PacketQueue made_queue, Fd made_raw, Fd made_wake)
      : chains(std::move(made_chains)),
        queue(std::move(made_queue)),
        raw(std::move(made_raw)),
        wake(std::move(made_wake)) {}

  Chains chains;
  PacketQueue queue;
  Fd raw, wake;

  struct Set {
    std::vector<std::unique_ptr<Flow>> flows;
    std::int64_t overruns_before = 0;
    std::optional<int> chain{};  // once it is in force
  };
  mutable std::mutex mutex;  // for all below, and the queue
  std::map<int, Set> sets;
  std::unordered_map<Pair, std::vector<Flow*>> by_pair;
  int next = 1;
  std::vector<Item> waiting;  // a heap, the next one that is due in front
  std::deque<Item> held;
  std::uint64_t arrivals = 0;
  bool realtime = false;
  std::jthread thread;  // last: it uses the rest

  void serve(const std::stop_token& stop);
  void take(const PacketQueue::Packet& packet);
  void keep(Item item);
  void let_go(const Item& item);
  void let_go_due();
  void index();
  Result<std::int64_t> overruns() const;
  void end(int set);
  Status drained();
  std::size_t queued() const;
};

void Packets::Impl::serve(const std::stop_token& stop) {
  {
    const std::lock_guard lock(mutex);
    const sched_param priority{kPriority};
    realtime = ::sched_setscheduler(0, SCHED_FIFO, &priority) == 0;  // not in a user namespace
    ::prctl(PR_SET_TIMERSLACK, 1UL);  // wake when asked, not up to 50 us later
  }
  pollfd fds[]{{queue.fd(), POLLIN, 0}, {wake.get(), POLLIN, 0}};
  while (!stop.stop_requested()) {
    std::optional<timespec> timeout;
    {
      const std::lock_guard lock(mutex);
      // A few at a time, so that a stream of packets does not keep those that are due.
      for (int i = 0; i < 16; ++i)
        if (!queue.receive([this](const PacketQueue::Packet& packet) { take(packet); })) break;
      let_go_due();
      if (!waiting.empty()) {
        const auto left = std::max<std::int64_t>(0, (waiting.front().due - Clock::now()).count());
        timeout = timespec{left / 1'000'000'000, left % 1'000'000'000};
      }
    }
    if (::ppoll(fds, 2, timeout ? &*timeout : nullptr, nullptr) > 0 && fds[1].revents != 0) {
      eventfd_t ignored;
      ::eventfd_read(wake.get(), &ignored);
    }
  }
}

void Packets::Impl::take(const PacketQueue::Packet& packet) {
  const auto now = Clock::now();
  const auto info = parse_packet(packet.bytes);
  const auto found = info ? by_pair.find(pair_of(info->from, info->to)) : by_pair.end();
  if (found == by_pair.end()) return queue.accept(packet.id);

  Item item{.number = ++arrivals, .id = packet.id};
  const bool whole = packet.bytes.size() >= info->length;
  std::optional<nanoseconds> copy;
  bool lost = false, altered = false;
  std::vector<std::uint8_t> bytes;
  int last_set = 0;
  for (Flow* flow : found->second) {
    if (flow->set == last_set || !flow->rule.matches(*info)) continue;
    last_set = flow->set;  // the first rule of a set that matches
    ++flow->counts.seen;
    const bool hold = flow->impairment.hold;
    const Fate fate = flow->dice.roll(now, *info);
    lost = fate.lost || (hold && flow->holding >= flow->impairment.hold_limit);
    if (lost) {
      ++flow->counts.dropped;
      break;
    }
    if (whole && (fate.corrupt || fate.corrupt_silently)) {
      if (bytes.empty()) bytes.assign(packet.bytes.begin(), packet.bytes.end());
      bool done = fate.corrupt_silently && flip_a_bit_silently(bytes, *info, flow->dice.rng());
      if (fate.corrupt) {
        flip_a_bit(bytes, *info, flow->dice.rng());
        done = true;
      }
      flow->counts.corrupted += done ? 1 : 0;
      altered |= done;
    }
    if (whole && fate.copy) {
      ++flow->counts.duplicated;
      copy = std::max(copy.value_or(nanoseconds(0)), *fate.copy);
    }
    flow->counts.held += hold ? 1 : 0;
    flow->counts.delayed += !hold && fate.delay.count() > 0 ? 1 : 0;
    item.shares.push_back({flow, fate.delay});
  }
  if (lost) return queue.drop(packet.id);
  for (const auto& share : item.shares)
    if (share.flow->impairment.hold) ++share.flow->holding;
  if (altered) item.bytes = bytes;
  item.due = now;
  for (const auto& share : item.shares) item.due += share.delay;
  Item second;
  if (copy) {
    second = item;
    second.id.reset();
    if (!altered) second.bytes.assign(packet.bytes.begin(), packet.bytes.end());
    second.due = std::max(item.due, now + *copy);
    for (const auto& share : second.shares)
      if (share.flow->impairment.hold) ++share.flow->holding;
  }
  keep(std::move(item));
  if (copy) keep(std::move(second));
}

void Packets::Impl::keep(Item item) {
  if (item.held()) {
    held.push_back(std::move(item));
  } else if (item.due <= Clock::now()) {
    let_go(item);
  } else {
    waiting.push_back(std::move(item));
    std::push_heap(waiting.begin(), waiting.end(), later);
  }
}

void Packets::Impl::let_go(const Item& item) {
  if (!item.id) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    if (const auto info = parse_packet(item.bytes)) to.sin_addr.s_addr = htonl(info->to);
    (void)::sendto(raw.get(), item.bytes.data(), item.bytes.size(), 0,
                   reinterpret_cast<const sockaddr*>(&to), sizeof to);
    return;
  }
  for (const auto& share : item.shares) {
    if (share.flow->last > item.number) ++share.flow->counts.reordered;
    share.flow->last = std::max(share.flow->last, item.number);
  }
  if (item.bytes.empty())
    queue.accept(*item.id);
  else
    queue.accept(*item.id, item.bytes);
}

void Packets::Impl::let_go_due() {
  while (!waiting.empty() && waiting.front().due <= Clock::now()) {
    std::pop_heap(waiting.begin(), waiting.end(), later);
    const Item item = std::move(waiting.back());
    waiting.pop_back();
    let_go(item);
  }
}

void Packets::Impl::index() {
  by_pair.clear();
  bool whole = false;
  for (const auto& [id, set] : sets)
    for (const auto& flow : set.flows) {
      by_pair[flow->pair].push_back(flow.get());
      whole |= flow->impairment.needs_payload();
    }
  (void)queue.see(whole);
}

Result<std::int64_t> Packets::Impl::overruns() const {
  auto state = queue.state();
  if (!state) return tl::make_unexpected(state.error());
  return state->overruns;
}

// Of a set without rules in the kernel: what has come is taken, what waits for it alone goes on.
void Packets::Impl::end(int set) {
  while (queue.receive([this](const PacketQueue::Packet& packet) { take(packet); })) continue;
  std::vector<Item> items(std::make_move_iterator(waiting.begin()),
                          std::make_move_iterator(waiting.end()));
  std::move(held.begin(), held.end(), std::back_inserter(items));
  waiting.clear();
  held.clear();
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return later(b, a); });
  for (Item& item : items) {
    std::erase_if(item.shares, [&](const Item::Share& share) {
      if (share.flow->set != set) return false;
      item.due -= share.delay;
      if (share.flow->impairment.hold && item.id) ++share.flow->counts.released;
      return true;
    });
    if (item.shares.empty()) item.due = {};
    keep(std::move(item));
  }
}

std::size_t Packets::Impl::queued() const {
  const auto ours = [](const auto& items) {
    return std::count_if(items.begin(), items.end(), [](const Item& item) { return item.id; });
  };
  return static_cast<std::size_t>(ours(waiting) + ours(held));
}

Status Packets::Impl::drained() {
  const auto deadline = Clock::now() + std::chrono::seconds(1);
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      while (queue.receive([this](const PacketQueue::Packet& packet) { take(packet); })) continue;
      auto state = queue.state();
      if (!state) return tl::make_unexpected(state.error());
      const auto expected = static_cast<std::int64_t>(queued());
      if (state->waiting == expected) return {};
      if (Clock::now() > deadline)
        return fail("{} packets wait in the kernel, {} should", state->waiting, expected);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Packets::Packets(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Packets::~Packets() {
  impl_->thread.request_stop();
  ::eventfd_write(impl_->wake.get(), 1);
}

Result<std::unique_ptr<Packets>> Packets::create(int netns, Firewall& firewall) {
  auto chains = Chains::create(netns, "mangle", kMangleRoot);
  if (!chains) return tl::make_unexpected(chains.error());
  Result<PacketQueue> queue = fail("no packet queue");
  Fd raw, wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  bool marked = false;
  auto status = in_netns(netns, [&] {
    queue = PacketQueue::open();
    raw = Fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
    marked = ::setsockopt(raw.get(), SOL_SOCKET, SO_MARK, &kInjected, sizeof kInjected) == 0;
  });
  if (!status) return tl::make_unexpected(status.error());
  if (!queue) return tl::make_unexpected(queue.error());
  if (!raw || !marked || !wake) return fail_errno("cannot make a socket to duplicate packets with");
  if (status = firewall.include_output(kInjected); !status)
    return tl::make_unexpected(status.error());
  std::unique_ptr<Packets> packets(new Packets(std::make_unique<Impl>(
      std::move(*chains), std::move(*queue), std::move(raw), std::move(wake))));
  packets->impl_->thread = std::jthread(
      [impl = packets->impl_.get()](const std::stop_token& stop) { impl->serve(stop); });
  return packets;
}

Result<int> Packets::add(const std::vector<PacketRule>& rules, const Impairment& impairment,
                         std::uint64_t seed) {
  Chains::Rules lines;
  Impl::Set set;
  int id = 0;
  {
    // Known to us before the kernel sends the first packet.
    const std::lock_guard lock(impl_->mutex);
    id = impl_->next++;
    for (const auto& rule : rules) {
      const auto from = address_number(rule.from), to = address_number(rule.to);
      if (from == 0 || to == 0) return fail("no addresses: from \"{}\" to \"{}\"", rule.from, rule.to);
      append_lines(rule, lines);
      const auto number = std::to_string(set.flows.size());
      set.flows.push_back(std::make_unique<Flow>(Flow{
          id, rule, pair_of(from, to), impairment, Dice(impairment, Rng(seed).fork(number)), {}}));
    }
    auto overruns = impl_->overruns();
    if (!overruns) return tl::make_unexpected(overruns.error());
    set.overruns_before = *overruns;
    impl_->sets[id] = std::move(set);
    impl_->index();
  }
  auto chain = impl_->chains.add(lines);
  const std::lock_guard lock(impl_->mutex);
  if (!chain) {
    impl_->sets.erase(id);
    impl_->index();
    return tl::make_unexpected(chain.error());
  }
  impl_->sets[id].chain = *chain;
  return id;
}

Result<std::vector<PacketCounts>> Packets::counts(int id) const {
  const std::lock_guard lock(impl_->mutex);
  const auto set = impl_->sets.find(id);
  if (set == impl_->sets.end()) return no_set(id);
  std::vector<PacketCounts> result;
  for (const auto& flow : set->second.flows) result.push_back(flow->counts);
  return result;
}

Result<PacketReport> Packets::remove(int id) {
  int chain = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    const auto set = impl_->sets.find(id);
    if (set == impl_->sets.end() || !set->second.chain) return no_set(id);
    chain = *set->second.chain;
  }
  if (auto removed = impl_->chains.remove(chain); !removed)
    return tl::make_unexpected(removed.error());
  PacketReport report;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->end(id);
    auto& set = impl_->sets[id];
    auto overruns = impl_->overruns();
    if (!overruns) return tl::make_unexpected(overruns.error());
    for (const auto& flow : set.flows) report.rules.push_back(flow->counts);
    report.overruns = *overruns - set.overruns_before;
    report.realtime = impl_->realtime;
    impl_->sets.erase(id);
    impl_->index();
  }
  ::eventfd_write(impl_->wake.get(), 1);
  if (auto status = impl_->drained(); !status) return tl::make_unexpected(status.error());
  return report;
}

Status Packets::idle() const {
  auto rules = impl_->chains.rules_in_force();
  if (!rules) return tl::make_unexpected(rules.error());
  if (*rules > 0) return fail("{} rules for packets are in force", *rules);
  const std::lock_guard lock(impl_->mutex);
  auto state = impl_->queue.state();
  if (!state) return tl::make_unexpected(state.error());
  if (state->waiting > 0) return fail("{} packets wait in the queue", state->waiting);
  return {};
}

nanoseconds Packets::last_transaction() const { return impl_->chains.last_transaction(); }

Status packets_available() {
  Fd ends[2];
  if (int fds[2]; ::pipe2(fds, O_CLOEXEC) == 0) {
    ends[0].reset(fds[0]);
    ends[1].reset(fds[1]);
  }
  const auto answer = try_in_universe([&] {
    // All of it once, in the universe's own network.
    Status status;
    if (auto netns = current_netns(); !netns) {
      status = tl::make_unexpected(netns.error());
    } else if (auto firewall = Firewall::create(netns->get()); !firewall) {
      status = tl::make_unexpected(firewall.error());
    } else if (auto packets = Packets::create(netns->get(), **firewall); !packets) {
      status = tl::make_unexpected(packets.error());
    } else if (auto id = (*packets)->add({{"10.77.0.1", "10.77.0.2"}}, {}, 1); !id) {
      status = fail("the kernel cannot queue packets: as root, modprobe xt_NFQUEUE ({})",
                    id.error().message);
    }
    if (!status)
      (void)!::write(ends[1].get(), status.error().message.data(), status.error().message.size());
    return status ? 0 : 1;
  });
  if (!answer) return tl::make_unexpected(answer.error());
  if (*answer == 0) return {};
  ends[1].reset();
  std::string message(4096, '\0');
  message.resize(static_cast<std::size_t>(
      std::max<ssize_t>(0, ::read(ends[0].get(), message.data(), message.size()))));
  return fail("{}", message.empty() ? "the kernel cannot queue packets" : message);
}

}  // namespace gameday::lab
