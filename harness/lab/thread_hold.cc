#include "harness/lab/thread_hold.h"

#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace gameday::lab {
namespace {

// Interrupts the tracer's waitpid(2); nothing else of the process uses it.
int wake_signal() { return SIGRTMIN + 7; }

void catch_wake_signal() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(wake_signal(), &action, nullptr);  // without SA_RESTART
  });
}

}  // namespace

// A thread of its own: the kernel lets only the thread that attached speak to a tracee. It waits for its
// tracees all the time, because one that is killed stays, and its process with it, until its tracer has
// seen it.
struct ThreadHold::Tracer {
  std::map<pid_t, int> held;  // and the signal that it is to get when it goes on, 0: none
  std::atomic<bool> released = false;
  std::promise<Status> standing;
  std::promise<void> gone;
  std::jthread thread;

  Status attach(const std::vector<pid_t>& threads, std::chrono::milliseconds timeout) {
    for (const pid_t tid : threads) {
      if (::ptrace(PTRACE_SEIZE, tid, 0, 0) != 0)
        return fail_errno(fmt::format("cannot hold thread {} (ptrace)", tid));
      held[tid] = 0;
      ::ptrace(PTRACE_INTERRUPT, tid, 0, 0);
    }
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    std::vector<pid_t> left = threads;
    while (!left.empty()) {
      if (std::chrono::steady_clock::now() > deadline)
        return fail("thread {} still runs after {} ms", left[0], timeout.count());
      const pid_t seen = see(WNOHANG);
      if (seen == 0) std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (seen > 0 && !held.contains(seen)) return fail("thread {} ended meanwhile", seen);
      std::erase(left, seen);
    }
    return {};
  }

  // One change of a tracee: its tid, 0 or -1: none.
  pid_t see(int flags) {
    int status = 0;
    const pid_t tid = ::waitpid(-1, &status, __WALL | __WNOTHREAD | flags);
    if (tid <= 0) return tid;
    if (WIFEXITED(status) || WIFSIGNALED(status)) held.erase(tid);
    // It may have been about to take a signal when it stopped.
    if (WIFSTOPPED(status) && held.contains(tid) && status >> 16 == 0) held[tid] = WSTOPSIG(status);
    return tid;
  }

  void run(const std::vector<pid_t>& threads, std::chrono::milliseconds timeout) {
    const Status status = attach(threads, timeout);
    standing.set_value(status);
    while (status && !released && !held.empty()) see(0);
    for (const auto& [tid, signal] : held) ::ptrace(PTRACE_DETACH, tid, 0, signal);
    gone.set_value();
  }
};

ThreadHold::ThreadHold(std::unique_ptr<Tracer> tracer) : tracer_(std::move(tracer)) {}
ThreadHold::~ThreadHold() { (void)release(); }

Result<std::unique_ptr<ThreadHold>> ThreadHold::create(const std::vector<pid_t>& threads,
                                                       std::chrono::milliseconds timeout) {
  catch_wake_signal();
  std::unique_ptr<ThreadHold> hold(new ThreadHold(std::make_unique<Tracer>()));
  Tracer* tracer = hold->tracer_.get();
  auto standing = tracer->standing.get_future();
  tracer->thread = std::jthread([tracer, threads, timeout] { tracer->run(threads, timeout); });
  if (auto status = standing.get(); !status) return tl::make_unexpected(status.error());
  return hold;
}

std::vector<pid_t> ThreadHold::release() {
  if (!tracer_->thread.joinable()) return {};
  tracer_->released = true;
  // Again and again, because it may be just about to wait.
  const auto gone = tracer_->gone.get_future();
  do ::pthread_kill(tracer_->thread.native_handle(), wake_signal());
  while (gone.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready);
  tracer_->thread.join();
  std::vector<pid_t> result;
  for (const auto& [tid, signal] : tracer_->held) result.push_back(tid);
  return result;
}

Status grey_available() {
  std::ifstream yama("/proc/sys/kernel/yama/ptrace_scope");
  int scope = 0;
  if (yama >> scope && scope == 3)
    return fail("this machine forbids ptrace altogether (kernel.yama.ptrace_scope=3): "
                "boot with sysctl kernel.yama.ptrace_scope=1");
  if (scope == 2) return {};  // needs CAP_SYS_PTRACE, which one has inside a universe
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("cannot fork");
  if (child == 0)
    for (;;) ::pause();
  const auto hold = ThreadHold::create({child}, std::chrono::seconds(1));
  Status status;
  if (!hold)
    status = fail("{}; in a container, start it with --cap-add SYS_PTRACE", hold.error().message);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return status;
}

}  // namespace gameday::lab
