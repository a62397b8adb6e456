#include "harness/lab/packet_queue.h"

#include <fcntl.h>
#include <netinet/in.h>  // before <linux/...>, which then leaves its own copy out

#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netlink/netfilter/queue.h>
#include <netlink/netfilter/queue_msg.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace gameday::lab {
namespace {

constexpr std::uint16_t kQueue = 0;
constexpr std::uint32_t kHeaders = 128;  // IP's and TCP's, with all their options
constexpr std::uint32_t kWhole = 0xffff;
constexpr std::uint32_t kMostWaiting = 65'536;
constexpr int kSocketBuffer = 16 << 20;

using Config = std::unique_ptr<nfnl_queue, decltype(&nfnl_queue_put)>;
Config config(std::uint32_t range) {
  Config result(nfnl_queue_alloc(), nfnl_queue_put);
  if (!result) return result;
  nfnl_queue_set_group(result.get(), kQueue);
  nfnl_queue_set_copy_mode(result.get(), NFNL_QUEUE_COPY_PACKET);
  nfnl_queue_set_copy_range(result.get(), range);
  nfnl_queue_set_maxlen(result.get(), kMostWaiting);
  return result;
}

}  // namespace

void PacketQueue::Free::operator()(nl_sock* socket) const { nl_socket_free(socket); }
void PacketQueue::Free::operator()(nfnl_queue_msg* message) const { nfnl_queue_msg_put(message); }

Result<PacketQueue> PacketQueue::open() {
  PacketQueue queue;
  queue.socket_.reset(nfnl_queue_socket_alloc());
  queue.verdict_.reset(nfnl_queue_msg_alloc());
  const auto first = config(kHeaders);
  if (!queue.socket_ || !queue.verdict_ || !first) return fail("cannot allocate a packet queue");
  nl_sock* socket = queue.socket_.get();
  int error = nl_connect(socket, NETLINK_NETFILTER);
  nl_socket_enable_auto_ack(socket);
  if (error >= 0) error = nfnl_queue_create(socket, first.get());
  if (error < 0)
    return fail("the kernel has no packet queue ({}): as root, modprobe nfnetlink_queue",
                nl_geterror(error));
  nl_socket_disable_auto_ack(socket);
  nl_socket_disable_seq_check(socket);
  nl_socket_disable_msg_peek(socket);
  nl_socket_set_msg_buf_size(socket, kWhole + 4096);
  nl_socket_set_nonblocking(socket);
  // Overruns are counted by the kernel (state()), and are no reason to stop.
  const int yes = 1;
  ::setsockopt(queue.fd(), SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof yes);
  // Beyond net.core.rmem_max only root of the machine's first user namespace may.
  if (::setsockopt(queue.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer) != 0)
    ::setsockopt(queue.fd(), SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
  queue.proc_ = Fd(::open("/proc/thread-self/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC));
  if (!queue.proc_ && errno != EACCES) return fail_errno("cannot read the state of the packet queue");
  return queue;
}

int PacketQueue::fd() const { return nl_socket_get_fd(socket_.get()); }

Status PacketQueue::see(bool whole_packets) {
  const auto change = config(whole_packets ? kWhole : kHeaders);
  const int error = change ? nfnl_queue_change(socket_.get(), change.get()) : -1;
  if (error < 0) return fail("cannot change the packet queue: {}", nl_geterror(error));
  return {};
}

bool PacketQueue::receive(const std::function<void(const Packet&)>& take) {
  sockaddr_nl from{};
  unsigned char* buffer = nullptr;
  int left = nl_recv(socket_.get(), &from, &buffer, nullptr);
  if (left <= 0) return false;
  const std::unique_ptr<unsigned char, decltype(&std::free)> owned(buffer, std::free);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); nlmsg_ok(header, left);
       header = nlmsg_next(header, &left)) {
    // An error says that a packet has left the queue by itself: its interface is gone.
    if (header->nlmsg_type == NLMSG_ERROR) continue;
    nfnl_queue_msg* parsed = nullptr;
    if (nfnlmsg_queue_msg_parse(header, &parsed) < 0) continue;
    const std::unique_ptr<nfnl_queue_msg, Free> message(parsed);
    ++taken_;
    int size = 0;
    const auto* bytes = static_cast<const std::uint8_t*>(nfnl_queue_msg_get_payload(parsed, &size));
    take({nfnl_queue_msg_get_packetid(parsed), {bytes, static_cast<std::size_t>(size)}});
  }
  return true;
}

nfnl_queue_msg* PacketQueue::verdict(std::uint32_t id, unsigned what) const {
  nfnl_queue_msg_set_group(verdict_.get(), kQueue);
  nfnl_queue_msg_set_family(verdict_.get(), AF_INET);
  nfnl_queue_msg_set_packetid(verdict_.get(), id);
  nfnl_queue_msg_set_verdict(verdict_.get(), what);
  return verdict_.get();
}

void PacketQueue::accept(std::uint32_t id) {
  answered(nfnl_queue_msg_send_verdict(socket_.get(), verdict(id, NF_ACCEPT)));
}

void PacketQueue::accept(std::uint32_t id, std::span<const std::uint8_t> bytes) {
  answered(nfnl_queue_msg_send_verdict_payload(socket_.get(), verdict(id, NF_ACCEPT), bytes.data(),
                                               static_cast<unsigned>(bytes.size())));
}

void PacketQueue::drop(std::uint32_t id) {
  answered(nfnl_queue_msg_send_verdict(socket_.get(), verdict(id, NF_DROP)));
}

// A line a queue: its number, who listens, waiting, mode, range, lost to the queue, lost to the socket.
Result<PacketQueue::State> PacketQueue::state() const {
  if (!proc_) {
    std::uint32_t memory[SK_MEMINFO_VARS] = {};
    socklen_t size = sizeof memory;
    if (::getsockopt(fd(), SOL_SOCKET, SO_MEMINFO, memory, &size) != 0)
      return fail_errno("cannot read the state of the packet queue");
    const bool unread = memory[SK_MEMINFO_RMEM_ALLOC] > 0;  // by bytes: at least one packet
    return State{taken_ + (unread ? 1 : 0), memory[SK_MEMINFO_DROPS]};
  }
  char text[4096];
  const ssize_t n = ::pread(proc_.get(), text, sizeof text - 1, 0);
  if (n < 0) return fail_errno("cannot read the state of the packet queue");
  text[n] = '\0';
  long waiting = 0, full = 0, unread = 0;
  if (std::sscanf(text, "%*d %*d %ld %*d %*d %ld %ld", &waiting, &full, &unread) != 3)
    return fail("cannot read the state of the packet queue: \"{}\"", text);
  return State{waiting, full + unread};
}

}  // namespace gameday::lab
