#include "harness/lab/clock_control.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <fstream>
#include <thread>

#include "harness/core/duration.h"
#include "harness/lab/fd.h"
#include "harness/lab/syscall_supervisor.h"

namespace gameday::lab {

namespace fs = std::filesystem;
using std::chrono::nanoseconds;
using std::chrono::system_clock;

namespace {

std::int64_t ns(system_clock::time_point t) {
  return std::chrono::duration_cast<nanoseconds>(t.time_since_epoch()).count();
}

std::int64_t drift(double rate, std::int64_t duration) {
  return std::llround(rate * static_cast<double>(std::max<std::int64_t>(duration, 0)));
}

constexpr const char* kPageName = "gameday-clock";  // in /proc/<pid>/maps

constexpr std::string_view kBounds =
    "a clock's rate is above -1 (it does not go backwards) and up to 1000, the length of a strobe "
    "positive, and a leap of the monotonic clocks not backwards";

bool is_possible(const ClockSkew& skew) {
  return skew.rate > -1 && skew.rate <= 1000 && skew.period.count() >= 0 &&
         skew.monotonic.count() >= 0;
}

}  // namespace

class ClockControl::Mechanism {
 public:
  virtual ~Mechanism() = default;
  virtual std::string_view name() const = 0;
  virtual Status check(const clock::Skew& skew) const = 0;  // whether set() can be asked for it
  virtual Status set(const clock::Skew& skew) = 0;
  virtual void trap_in(SyscallTable&) {}
  virtual std::map<std::string, std::string> environment() const { return {}; }
  virtual clock::Followed followed() const { return {}; }
  virtual bool followed_by(pid_t) const { return false; }
};

class ClockControl::PageMechanism : public Mechanism {
 public:
  static Result<std::unique_ptr<Mechanism>> create() {
    const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const Fd file(::memfd_create(kPageName, MFD_CLOEXEC));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
      return fail_errno("cannot make a page for a node's clocks");
    void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (page == MAP_FAILED) return fail_errno("cannot map a page for a node's clocks");
    // What nodes are given cannot be written to.
    Fd theirs(::open(fmt::format("/proc/self/fd/{}", file.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!theirs) {
      ::munmap(page, size);
      return fail_errno("cannot open a page for a node's clocks");
    }
    return std::unique_ptr<Mechanism>(new PageMechanism(page, size, std::move(theirs)));
  }
  ~PageMechanism() override { ::munmap(page_, size_); }

  std::string_view name() const override { return "vDSO page"; }
  Status check(const clock::Skew&) const override { return {}; }
  Status set(const clock::Skew& skew) override {
    // A seqlock: readers do not see a mixture (consistently()).
    const std::uint64_t sequence = page_->sequence;
    __atomic_store_n(&page_->sequence, sequence + 1, __ATOMIC_RELAXED);
    std::atomic_thread_fence(std::memory_order_release);
    page_->skew = skew;
    __atomic_store_n(&page_->sequence, sequence + 2, __ATOMIC_RELEASE);
    supervisor_.clocks_changed();
    return {};
  }
  void trap_in(SyscallTable& table) override { supervisor_.trap_in(table); }
  clock::Followed followed() const override { return supervisor_.followed(); }
  bool followed_by(pid_t pid) const override {
    std::ifstream in(fmt::format("/proc/{}/maps", pid));
    for (std::string line; std::getline(in, line);)
      if (line.find(kPageName) != std::string::npos) return true;
    return false;
  }

 private:
  PageMechanism(void* page, std::size_t size, Fd theirs)
      : page_(new (page) clock::Page),
        size_(size),
        theirs_(std::move(theirs)),
        supervisor_(*page_, theirs_) {}

  clock::Page* const page_;
  const std::size_t size_;
  const Fd theirs_;
  clock::Supervisor supervisor_;
};

// By a file that libfaketime reads at every reading of the clock.
class ClockControl::PreloadMechanism : public Mechanism {
 public:
  PreloadMechanism(fs::path library, fs::path file)
      : library_(std::move(library)), file_(std::move(file)) {}

  std::string_view name() const override { return "libfaketime"; }
  Status check(const clock::Skew& skew) const override {
    if (skew.rate == 0 && skew.still == clock::kNever && skew.monotonic == 0) return {};
    const auto better = clocks_available();
    return fail(
        "drifts, clocks that stand still and leaps of monotonic clocks are not possible with "
        "libfaketime, which is used because {}",
        better ? "it was asked for" : better.error().message);
  }
  Status set(const clock::Skew& skew) override {
    strober_ = {};  // joins
    if (auto status = write(offset(skew)); !status || skew.strobes == 0) return status;
    strober_ = std::jthread([this, skew](const std::stop_token& stop) { strobe(stop, skew); });
    return {};
  }
  std::map<std::string, std::string> environment() const override {
    return {{"LD_PRELOAD", library_.string()},
            {"FAKETIME_TIMESTAMP_FILE", file_.string()},
            {"FAKETIME_NO_CACHE", "1"},      // offsets apply at the next reading of the clock
            {"DONT_FAKE_MONOTONIC", "1"},    // timers and timeouts are not the subject
            {"FAKETIME_DISABLE_SHM", "1"}};  // no shared memory left behind by a kill -9
  }

 private:
  static std::int64_t offset(const clock::Skew& skew) {
    const std::int64_t now = ns(system_clock::now());
    return clock::wall(skew, now) - now;
  }

  Status write(std::int64_t offset) const {
    // By rename: the library reads the file at any moment.
    const fs::path next = file_.string() + ".next";
    std::ofstream out(next, std::ios::trunc);
    out << fmt::format("{:+.9f}\n", static_cast<double>(offset) / 1e9);
    out.close();
    std::error_code error;
    if (out) fs::rename(next, file_, error);
    if (!out || error) return fail("cannot write {}", file_.string());
    return {};
  }

  void strobe(const std::stop_token& stop, const clock::Skew& skew) const {
    for (std::int64_t last = offset(skew); !stop.stop_requested();) {
      (void)sleep_for(stop, std::chrono::milliseconds(1));
      if (const std::int64_t now = offset(skew); now != last && write(now)) last = now;
    }
  }

  const fs::path library_, file_;
  std::jthread strober_;
};

Result<std::unique_ptr<ClockControl>> ClockControl::create(fs::path folder, bool preload) {
  std::unique_ptr<Mechanism> mechanism;
  if (preload) {
    const fs::path library = find_libfaketime();
    if (library.empty()) return fail("libfaketime is not installed (apt install libfaketime)");
    mechanism = std::make_unique<PreloadMechanism>(library, folder / "faketime.rc");
  } else {
    auto page = PageMechanism::create();
    if (!page) return tl::make_unexpected(page.error());
    mechanism = std::move(*page);
  }
  std::unique_ptr<ClockControl> control(new ClockControl(std::move(mechanism)));
  if (auto status = control->apply(ns(system_clock::now())); !status)
    return tl::make_unexpected(status.error());
  return control;
}

ClockControl::ClockControl(std::unique_ptr<Mechanism> mechanism)
    : mechanism_(std::move(mechanism)) {}
ClockControl::~ClockControl() = default;

clock::Skew ClockControl::composed(std::int64_t now, int without) const {
  clock::Skew sum;
  for (const auto& [id, term] : terms_)
    if (id != without && term.skew.still) sum.still = std::min(sum.still, term.began);
  // The clock's state at the time from which its drifts, if it moves at all, go on.
  sum.since = std::min(now, sum.still);
  sum.monotonic = leapt_;
  double rate = 0;
  for (const auto& [id, term] : terms_) {
    if (id == without) continue;
    const ClockSkew& skew = term.skew;
    sum.monotonic += skew.monotonic.count();
    sum.offset += term.gained + drift(skew.rate, sum.since - term.began);
    rate += skew.rate;
    if (skew.period.count() == 0)
      sum.offset += skew.offset.count();
    else if (sum.strobes < clock::Skew::kStrobes)
      sum.strobe[sum.strobes++] = {term.began, skew.period.count(), skew.offset.count()};
  }
  if (sum.still == clock::kNever) sum.rate = std::llround(rate * 4294967296.0);
  if (sum.rate == 0) sum.since = 0;
  return sum;
}

Status ClockControl::apply(std::int64_t now) {
  const clock::Skew next = composed(now);
  if (auto status = mechanism_->set(next); !status) return status;
  in_force_ = next;
  return {};
}

Result<int> ClockControl::add(const ClockSkew& skew) {
  if (!is_possible(skew)) return fail("{}", kBounds);
  const std::lock_guard lock(mutex_);
  const auto strobes = std::count_if(
      terms_.begin(), terms_.end(), [](const auto& t) { return t.second.skew.period.count() > 0; });
  if (skew.period.count() > 0 && strobes >= static_cast<std::ptrdiff_t>(clock::Skew::kStrobes))
    return fail("a clock has {} strobes already, it can have no more", strobes);
  const std::int64_t now = ns(system_clock::now());
  const int id = next_++;
  terms_[id] = {skew, now, 0};
  auto status = mechanism_->check(composed(now));
  if (status) status = apply(now);
  if (status) return id;
  terms_.erase(id);
  return tl::make_unexpected(status.error());
}

Status ClockControl::change(int id, const ClockSkew& skew) {
  if (!is_possible(skew)) return fail("{}", kBounds);
  const std::lock_guard lock(mutex_);
  const auto it = terms_.find(id);
  if (it == terms_.end()) return fail("no clock skew {} is in force", id);
  const std::int64_t now = ns(system_clock::now());
  const Term before = it->second;
  const std::int64_t leapt = leapt_;
  // What it has gained by now stays, and a clock that stands still stays where it is.
  it->second = {
      skew, before.skew.still && skew.still ? before.began : now,
      before.gained + drift(before.skew.rate, std::min(now, composed(now).still) - before.began)};
  if (skew.monotonic < before.skew.monotonic)  // never back
    leapt_ += (before.skew.monotonic - skew.monotonic).count();
  auto status = mechanism_->check(composed(now));
  if (status) status = apply(now);
  if (status) return status;
  it->second = before;
  leapt_ = leapt;
  return status;
}

Status ClockControl::remove(int id) {
  const std::lock_guard lock(mutex_);
  const auto it = terms_.find(id);
  if (it == terms_.end()) return fail("no clock skew {} is in force", id);
  leapt_ += it->second.skew.monotonic.count();
  terms_.erase(it);
  return apply(ns(system_clock::now()));
}

bool ClockControl::is_true() const {
  const std::lock_guard lock(mutex_);
  return terms_.empty();
}

nanoseconds ClockControl::offset() const { return offset_at(system_clock::now()); }

nanoseconds ClockControl::offset_at(system_clock::time_point t) const {
  const std::lock_guard lock(mutex_);
  return nanoseconds(clock::wall(in_force_, ns(t)) - ns(t));
}

nanoseconds ClockControl::offset_without(int id, system_clock::time_point t) const {
  const std::lock_guard lock(mutex_);
  return nanoseconds(clock::wall(composed(ns(t), id), ns(t)) - ns(t));
}

std::size_t ClockControl::followed_by(const std::vector<pid_t>& processes) const {
  return static_cast<std::size_t>(std::count_if(
      processes.begin(), processes.end(), [&](pid_t pid) { return mechanism_->followed_by(pid); }));
}

nanoseconds ClockControl::monotonic_offset() const {
  const std::lock_guard lock(mutex_);
  return nanoseconds(in_force_.monotonic);
}

std::string_view ClockControl::mechanism() const { return mechanism_->name(); }
clock::Followed ClockControl::followed() const { return mechanism_->followed(); }
void ClockControl::trap_in(SyscallTable& table) { mechanism_->trap_in(table); }

std::map<std::string, std::string> ClockControl::environment() const {
  return mechanism_->environment();
}

Status ClockControl::begin_life() {
  const std::lock_guard lock(mutex_);
  leapt_ = 0;
  return apply(ns(system_clock::now()));
}

Status clocks_available() {
  if (auto status = syscalls_available(); !status)
    return fail("clocks need trapped system calls: {}", status.error().message);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot fork");
  if (pid == 0)
    for (;;) ::pause();
  const bool traced = ::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
  const int error = errno;
  ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, __WALL) < 0 && errno == EINTR) {
  }
  if (traced) return {};
  return fail(
      "clocks need ptrace, which says {}; try sysctl kernel.yama.ptrace_scope=1, or, in a "
      "container, --cap-add SYS_PTRACE --security-opt seccomp=unconfined",
      std::strerror(error));
}

fs::path find_libfaketime() {
  std::error_code error;
  for (const char* base : {"/usr/lib", "/usr/lib64", "/usr/local/lib"}) {
    std::vector<fs::path> folders{fs::path(base) / "faketime"};
    for (const auto& entry : fs::directory_iterator(base, error))  // Debian: <multiarch>/faketime
      if (entry.path().filename().string().find("-linux-gnu") != std::string::npos)
        folders.push_back(entry.path() / "faketime");
    for (const auto& folder : folders)
      if (fs::exists(folder / "libfaketimeMT.so.1", error)) return folder / "libfaketimeMT.so.1";
  }
  return {};
}

}  // namespace gameday::lab
