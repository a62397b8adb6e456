// The faults of a node's files: chosen calls on files of its data directory fail or take long. The
// file system itself is not touched: what was written stays, and is there again when a fault ends.
//
// Every method may be called from any thread. Rules and watches outlive kills and restarts of the
// node, and count over all its lives. Calls of a node are counted only while a rule or watch wants
// them; without any, a trapped call goes on at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "harness/core/error.h"
#include "harness/lab/file_calls.h"

namespace gameday::lab {

// Which calls. A path is a glob (fnmatch(3); "*" also matches "/") of the path relative to the data
// directory; one that begins with "/" is of the whole path, for files elsewhere. A call on two paths
// is matched by either.
struct FileMatch {
  CallClasses calls = kSyncCalls;
  std::string path = "*";
  bool only_growing = false;  // only what needs room on the disk
};

struct FileRule {
  FileMatch match = {};
  // Which of them. All conditions must hold.
  std::uint64_t nth = 0;      // the n-th from now on, and no other; 0: all
  double probability = 1;     // each with this one, drawn from `seed`
  std::uint64_t seed = 0;
  std::uint64_t after_bytes = 0;  // once they would have written more than this
  // What happens to them: they wait for delay to delay + jitter, and then fail or are executed.
  std::chrono::nanoseconds delay{0}, jitter{0};
  int error = 0;  // errno; 0: executed
};

// What happened to calls: counted when the thread got our answer.
struct FileCounts {
  std::uint64_t seen = 0;     // matched, whether or not anything was done to them
  std::uint64_t failed = 0;
  std::uint64_t delayed = 0;
  std::chrono::nanoseconds waited{0};  // of the delayed, together
};
struct FileCounters : FileCounts {
  std::map<std::string, FileCounts> by_path;  // of up to 64; the rest is under "..."
};

class FileFaults {
 public:
  // For the calls of these classes on files of `data`, a path as the node sees it.
  FileFaults(const std::filesystem::path& data, CallClasses classes);
  ~FileFaults();
  FileFaults(const FileFaults&) = delete;
  FileFaults& operator=(const FileFaults&) = delete;

  void register_in(SyscallTable& table);  // which it outlives
  CallClasses classes() const;

  // A rule in force; destroyed, it is not.
  class Rule {
   public:
    Rule(Rule&&) noexcept;
    Rule& operator=(Rule&&) noexcept;
    ~Rule();
    FileCounters counters() const;
    // Takes it out of force: calls that it delays are answered now. Its counters stand still after
    // that. May be called twice.
    FileCounters end();

   private:
    friend class FileFaults;
    struct State;
    std::shared_ptr<State> state_;
    explicit Rule(std::shared_ptr<State> state);
  };
  // An Error: the lab was not prepared for calls of this class.
  Result<Rule> add(const FileRule& rule);

  // "The n-th fsync" as an event: `on_call` is told of the n-th matching call from now on (and, with
  // `every`, of each n-th after it), while the thread waits. It is called on the supervisor's thread:
  // be quick, and do not end the watch from it. The thread waits until everybody who was told has
  // dropped `call`; then rules in force decide what becomes of it. To kill the node before the call
  // is executed, keep it until the node is dead; for after, carry_out_sync() it first.
  struct Event {
    FileCall file;
    std::uint64_t count = 0;  // which one it was, from 1
    std::shared_ptr<HeldCall> call;
  };
  using OnCall = std::function<void(const Event&)>;
  class Watch {  // destroyed, it ends, and `on_call` does not run any more
   public:
    Watch(Watch&&) noexcept;
    Watch& operator=(Watch&&) noexcept;
    ~Watch();
    std::uint64_t seen() const;  // matching calls so far

   private:
    friend class FileFaults;
    struct State;
    std::shared_ptr<State> state_;
    explicit Watch(std::shared_ptr<State> state);
    void end();
  };
  Result<Watch> watch(FileMatch match, std::uint64_t nth, bool every, OnCall on_call);

  void begin_life();          // the node is about to start
  bool failed_calls() const;  // a call of this life has been failed

  // A held thread cannot be stopped. While true, no call is delayed, and those that are go on.
  void let_go(bool yes);

  std::size_t rules_in_force() const;
  std::size_t delayed_now() const;

 private:
  struct Core;
  std::shared_ptr<Core> core_;  // also of held calls, rules and watches, which may outlive us
};

}  // namespace gameday::lab
