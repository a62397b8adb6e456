// A program for clock_test.cc to run on nodes, linked dynamically and statically. It uses the C
// library only.
//   read          the time in s, of each way to ask for it: "<name> <time>"
//   family        the same from a forked child, from a thread, and from an exec of itself
//   log           the wall and the monotonic clock in ns, every 5 ms, for ever
//   wait <how>    waits until the wall clock shows 200 ms from now: "<ms it took> <result>"
//   wait <how> <ms>
//   cost <clock>  ns per reading
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

double seconds(const timespec& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double clock_now(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return seconds(t);
}

void read_all() {
  timespec raw{};
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &raw);
  timeval day{}, raw_day{};
  gettimeofday(&day, nullptr);
  syscall(SYS_gettimeofday, &raw_day, nullptr);
  printf("clock_gettime %.6f\n", clock_now(CLOCK_REALTIME));
  printf("coarse %.6f\n", clock_now(CLOCK_REALTIME_COARSE));
  printf("gettimeofday %.6f\n",
         static_cast<double>(day.tv_sec) + static_cast<double>(day.tv_usec) / 1e6);
  printf("time %ld\n", static_cast<long>(time(nullptr)));
  printf("raw_clock_gettime %.6f\n", seconds(raw));
  printf("raw_gettimeofday %.6f\n",
         static_cast<double>(raw_day.tv_sec) + static_cast<double>(raw_day.tv_usec) / 1e6);
#ifdef SYS_time
  printf("raw_time %ld\n", syscall(SYS_time, nullptr));
#endif
}

void* read_in_thread(void* name) {
  printf("%s %.6f\n", static_cast<const char*>(name), clock_now(CLOCK_REALTIME));
  return nullptr;
}

int family() {
  pthread_t thread;
  char late[] = "thread", forked[] = "thread_of_child";
  pthread_create(&thread, nullptr, read_in_thread, late);
  pthread_join(thread, nullptr);
  fflush(stdout);
  if (fork() == 0) {
    printf("child %.6f\n", clock_now(CLOCK_REALTIME));
    pthread_create(&thread, nullptr, read_in_thread, forked);
    pthread_join(thread, nullptr);
    fflush(stdout);
    execl("/no/such/file", "nothing", nullptr);
    execl("/proc/self/exe", "probe", "read", nullptr);
    _exit(1);
  }
  wait(nullptr);
  return 0;
}

[[noreturn]] void log_for_ever() {
  for (;;) {
    timespec wall{}, mono{};
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &mono);
    printf("%lld %lld\n", wall.tv_sec * 1'000'000'000LL + wall.tv_nsec,
           mono.tv_sec * 1'000'000'000LL + mono.tv_nsec);
    fflush(stdout);
    usleep(5000);
  }
}

timespec in(clockid_t clock, long ms) {
  timespec t{};
  clock_gettime(clock, &t);
  t.tv_nsec += ms % 1000 * 1'000'000;
  t.tv_sec += ms / 1000 + t.tv_nsec / 1'000'000'000;
  t.tv_nsec %= 1'000'000'000;
  return t;
}

int wait_condition(clockid_t clock, long ms) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, clock);
  pthread_cond_t condition;
  pthread_cond_init(&condition, &attributes);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  const timespec until = in(clock, ms);
  const timespec before = until;
  const int result = pthread_cond_timedwait(&condition, &mutex, &until);
  return memcmp(&before, &until, sizeof until) != 0 ? 1000 : result;
}

int wait_semaphore(long ms) {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  static const timespec until = in(CLOCK_REALTIME, ms);
  return sem_timedwait(&semaphore, &until) == 0 ? 0 : errno;
}

void* hold(void* mutex) {
  pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex));
  pause();
  return nullptr;
}

int wait_mutex(bool inherits, long ms) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  if (inherits) pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  static pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  pthread_t holder;
  pthread_create(&holder, nullptr, hold, &mutex);
  while (pthread_mutex_trylock(&mutex) == 0) {
    pthread_mutex_unlock(&mutex);
    usleep(1000);
  }
  const timespec until = in(CLOCK_REALTIME, ms);
  return pthread_mutex_timedlock(&mutex, &until);
}

int wait_timerfd(long ms) {
  const int fd = timerfd_create(CLOCK_REALTIME, 0);
  const itimerspec until{{0, 0}, in(CLOCK_REALTIME, ms)};
  if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &until, nullptr) != 0) return errno;
  uint64_t count = 0;
  return read(fd, &count, sizeof count) == sizeof count ? ETIMEDOUT : errno;
}

int wait_timer(long ms) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  timer_t timer;
  if (timer_create(CLOCK_REALTIME, nullptr, &timer) != 0) return errno;
  const itimerspec until{{0, 0}, in(CLOCK_REALTIME, ms)};
  if (timer_settime(timer, TIMER_ABSTIME, &until, nullptr) != 0) return errno;
  int signal = 0;
  sigwait(&set, &signal);
  return signal == SIGALRM ? ETIMEDOUT : 1000;
}

int wait_queue(bool send, long ms) {
  mq_attr attributes{};
  attributes.mq_maxmsg = 1;
  attributes.mq_msgsize = 8;
  mq_unlink("/probe");
  const mqd_t queue = mq_open("/probe", O_CREAT | O_RDWR, 0600, &attributes);
  if (queue < 0) return errno;
  char message[8] = {};
  if (send) mq_send(queue, message, sizeof message, 0);
  const timespec until = in(CLOCK_REALTIME, ms);
  const long result = send ? mq_timedsend(queue, message, sizeof message, 0, &until)
                           : mq_timedreceive(queue, message, sizeof message, nullptr, &until);
  return result < 0 ? errno : 0;
}

int wait_by(const char* how, long ms) {
  const auto is = [how](const char* name) { return strcmp(how, name) == 0; };
  if (is("condition")) return wait_condition(CLOCK_REALTIME, ms);
  if (is("monotonic-condition")) return wait_condition(CLOCK_MONOTONIC, ms);
  if (is("semaphore")) return wait_semaphore(ms);
  if (is("mutex")) return wait_mutex(false, ms);
  if (is("pi-mutex")) return wait_mutex(true, ms);
  if (is("nanosleep") || is("monotonic-nanosleep")) {
    const clockid_t clock = is("nanosleep") ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    const timespec until = in(clock, ms);
    return clock_nanosleep(clock, TIMER_ABSTIME, &until, nullptr) == 0 ? ETIMEDOUT : errno;
  }
  if (is("timerfd")) return wait_timerfd(ms);
  if (is("timer")) return wait_timer(ms);
  if (is("mq-send")) return wait_queue(true, ms);
  if (is("mq-receive")) return wait_queue(false, ms);
  return 1001;
}

// The quickest of many short runs: what it costs, not who else wanted the processor.
void cost(clockid_t clock) {
  constexpr int kRuns = 2000, kReads = 200;
  double best = 1;
  timespec t{};
  for (int run = 0; run < kRuns; ++run) {
    const double begin = clock_now(CLOCK_MONOTONIC);
    for (int i = 0; i < kReads; ++i) clock_gettime(clock, &t);
    const double took = clock_now(CLOCK_MONOTONIC) - begin;
    if (took < best) best = took;
  }
  printf("%.2f\n", best * 1e9 / kReads);
}

}  // namespace

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "read";
  if (strcmp(mode, "log") == 0) log_for_ever();
  if (strcmp(mode, "family") == 0) return family();
  if (strcmp(mode, "read") == 0) read_all();
  if (strcmp(mode, "cost") == 0 && argc > 2) cost(atoi(argv[2]));
  if (strcmp(mode, "wait") == 0 && argc > 2) {
    // Relative sleeps and their clock are left alone, so this measures true time.
    const double begin = clock_now(CLOCK_MONOTONIC_RAW);
    const int result = wait_by(argv[2], argc > 3 ? atol(argv[3]) : 200);
    printf("%.1f %s\n", (clock_now(CLOCK_MONOTONIC_RAW) - begin) * 1e3,
           result == ETIMEDOUT ? "timeout"
           : result == 0       ? "done"
           : result > 999      ? "wrong"
                               : strerror(result));
  }
  return 0;
}
