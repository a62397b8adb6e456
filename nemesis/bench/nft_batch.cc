#include "nemesis/bench/nft_batch.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string_view>

#include "harness/lab/fd.h"
#include "harness/lab/namespaces.h"

namespace gameday::nemesis::bench {
namespace {

// Netlink messages of one nf_tables transaction; the kernel acknowledges the last when it is done.
class Batch {
 public:
  Batch() { open(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES); }
  void message(int type, int flags) {
    open((NFNL_SUBSYS_NFTABLES << 8) | type, flags, NFPROTO_IPV4, 0);
  }
  void put(int type, const void* data, std::size_t size) {
    const nlattr head{static_cast<std::uint16_t>(sizeof head + size), static_cast<std::uint16_t>(type)};
    append(&head, sizeof head);
    append(data, size);
    bytes_.resize((bytes_.size() + 3) / 4 * 4);
  }
  void text(int type, const char* value) { put(type, value, std::strlen(value) + 1); }
  void number(int type, std::uint32_t value) {
    value = htonl(value);
    put(type, &value, sizeof value);
  }
  template <typename Fill>
  void nest(int type, Fill&& fill) {
    const std::size_t at = bytes_.size();
    put(type | NLA_F_NESTED, nullptr, 0);
    fill();
    reinterpret_cast<nlattr*>(&bytes_[at])->nla_len = static_cast<std::uint16_t>(bytes_.size() - at);
  }
  template <typename Fill>
  void expression(const char* name, Fill&& fill) {
    nest(NFTA_LIST_ELEM, [&] {
      text(NFTA_EXPR_NAME, name);
      nest(NFTA_EXPR_DATA, fill);
    });
  }
  void match_address(std::uint32_t offset, const std::string& address) {
    expression("payload", [&] {
      number(NFTA_PAYLOAD_DREG, NFT_REG_1);
      number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
      number(NFTA_PAYLOAD_OFFSET, offset);
      number(NFTA_PAYLOAD_LEN, 4);
    });
    in_addr value{};
    ::inet_pton(AF_INET, address.c_str(), &value);
    expression("cmp", [&] {
      number(NFTA_CMP_SREG, NFT_REG_1);
      number(NFTA_CMP_OP, NFT_CMP_EQ);
      nest(NFTA_CMP_DATA, [&] { put(NFTA_DATA_VALUE, &value, sizeof value); });
    });
  }
  void verdict(int code, const char* chain) {
    expression("immediate", [&] {
      number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      nest(NFTA_IMMEDIATE_DATA, [&] {
        nest(NFTA_DATA_VERDICT, [&] {
          number(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(code));
          if (chain != nullptr) text(NFTA_VERDICT_CHAIN, chain);
        });
      });
    });
  }
  // Whether the kernel did it.
  bool commit(const lab::Fd& socket) {
    header().nlmsg_flags |= NLM_F_ACK;
    open(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    close();
    if (::send(socket.get(), bytes_.data(), bytes_.size(), 0) < 0) return false;
    alignas(nlmsghdr) std::array<char, 16384> buffer;
    const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer.data());
    return n > 0 && answer->nlmsg_type == NLMSG_ERROR &&
           static_cast<const nlmsgerr*>(NLMSG_DATA(answer))->error == 0;
  }

 private:
  nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(&bytes_[last_]); }
  void close() {
    if (!bytes_.empty()) header().nlmsg_len = static_cast<std::uint32_t>(bytes_.size() - last_);
  }
  void open(int type, int flags, int family, int resource) {
    close();
    last_ = bytes_.size();
    const nlmsghdr head{0, static_cast<std::uint16_t>(type),
                        static_cast<std::uint16_t>(NLM_F_REQUEST | flags), 0, 0};
    const nfgenmsg general{static_cast<std::uint8_t>(family), NFNETLINK_V0,
                           htons(static_cast<std::uint16_t>(resource))};
    append(&head, sizeof head);
    append(&general, sizeof general);
  }
  void append(const void* data, std::size_t size) {
    bytes_.append(std::string_view(static_cast<const char*>(data), data != nullptr ? size : 0));
  }

  std::string bytes_;
  std::size_t last_ = 0;
};

constexpr const char* kTable = "t";

void rule(Batch& batch, const char* chain, const std::function<void()>& expressions) {
  batch.message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  batch.text(NFTA_RULE_TABLE, kTable);
  batch.text(NFTA_RULE_CHAIN, chain);
  batch.nest(NFTA_RULE_EXPRESSIONS, expressions);
}

bool make_table(const lab::Fd& socket) {
  Batch batch;
  batch.message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
  batch.text(NFTA_TABLE_NAME, kTable);
  batch.message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  batch.text(NFTA_CHAIN_TABLE, kTable);
  batch.text(NFTA_CHAIN_NAME, "root");
  batch.nest(NFTA_CHAIN_HOOK, [&] {
    batch.number(NFTA_HOOK_HOOKNUM, NF_INET_FORWARD);
    batch.number(NFTA_HOOK_PRIORITY, 0);
  });
  batch.text(NFTA_CHAIN_TYPE, "filter");
  return batch.commit(socket);
}

bool add(const lab::Fd& socket, const std::vector<std::pair<std::string, std::string>>& pairs) {
  Batch batch;
  batch.message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  batch.text(NFTA_CHAIN_TABLE, kTable);
  batch.text(NFTA_CHAIN_NAME, "set");
  for (const auto& [from, to] : pairs)
    rule(batch, "set", [&, &from = from, &to = to] {
      batch.match_address(12, from);
      batch.match_address(16, to);
      batch.expression("counter", [] {});
      batch.verdict(NF_DROP, nullptr);
    });
  rule(batch, "root", [&] { batch.verdict(NFT_JUMP, "set"); });
  return batch.commit(socket);
}

bool remove(const lab::Fd& socket) {
  Batch batch;
  for (const char* chain : {"root", "set"}) {
    batch.message(NFT_MSG_DELRULE, 0);
    batch.text(NFTA_RULE_TABLE, kTable);
    batch.text(NFTA_RULE_CHAIN, chain);
  }
  batch.message(NFT_MSG_DELCHAIN, 0);
  batch.text(NFTA_CHAIN_TABLE, kTable);
  batch.text(NFTA_CHAIN_NAME, "set");
  return batch.commit(socket);
}

}  // namespace

std::optional<NftCost> nft_batches(const std::vector<std::pair<std::string, std::string>>& pairs,
                                   int runs) {
  std::optional<NftCost> result;
  lab::in_thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) return;
    const lab::Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!socket || !make_table(socket)) return;
    NftCost cost;
    for (int i = 0; i < runs; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      if (!add(socket, pairs)) return;
      const auto middle = std::chrono::steady_clock::now();
      if (!remove(socket)) return;
      const auto end = std::chrono::steady_clock::now();
      cost.in_force.push_back(std::chrono::duration<double, std::nano>(middle - begin).count());
      cost.healed.push_back(std::chrono::duration<double, std::nano>(end - middle).count());
    }
    if (!remove(socket)) result = std::move(cost);  // nothing was left to be removed
  });
  return result;
}

}  // namespace gameday::nemesis::bench
