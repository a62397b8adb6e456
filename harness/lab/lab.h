// The lab: a cluster of real server processes on a private network, inside a universe
// (universe.h). It starts, kills and pauses nodes and knows what became of them; firewall(), packets()
// and clock() are the other handles that nemeses have on it.
//
//   nodes    10.77.0.<i>, i from 1, each in its own network, mount, PID, IPC and UTS namespace
//   clients  10.77.1.1, the controller's own network namespace
//   fabric   the router between all of them (fabric.h); the only place that has a firewall
//
// Every method may be called from any thread. Unknown node names are an Error.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/system.h"
#include "harness/lab/cgroup.h"
#include "harness/lab/clock_control.h"
#include "harness/lab/disk.h"
#include "harness/lab/file_faults.h"
#include "harness/lab/firewall.h"
#include "harness/lab/packets.h"

namespace gameday::lab {

inline constexpr int kMaxNodes = 64;

// How a server ended. Exactly one of code and signal is set.
struct Exit {
  std::string node;
  unsigned incarnation = 0;  // which start of the node it was, from 1
  std::optional<int> code;
  std::optional<int> signal;
  bool asked = false;  // kill(), terminate(), the end of the lab or its memory limit did it
  bool out_of_memory = false;  // the limit that its cgroup has in force
  // It ended by itself, but in a life in which a fault had made calls fail (files()): a server may.
  bool provoked = false;
  std::chrono::steady_clock::time_point at;
};
std::string describe(const Exit& exit);  // "n1 exited with code 3", "n2 was killed by signal 11"

// What servers are prepared for when they start. Each costs a little, so only what the run's faults
// need. create() fails, and says what to do, where the machine cannot.
struct Preparation {
  bool clocks = false;    // the clocks that its processes see can be changed: clock()
  CallClasses syscalls = 0;  // calls into the file system that can be failed, slowed, watched: files()
  bool disks = false;     // its data directory is a disk of its own, which can lose power: disk()
  bool torn_disks = false;  // and which can tear unsynced writes then
  bool cgroups = false;   // it has a cgroup, which can be frozen: cgroup()
  bool limits = false;    // the same, which can also be limited: CPU, memory, I/O
  Preparation& operator|=(const Preparation& other);
};

struct LabOptions {
  int nodes = 3;                    // 1 to kMaxNodes
  std::filesystem::path directory;  // nodes/<name>/ go here; created if missing
  Preparation prepare;
  bool preload_clocks = false;  // by libfaketime, even where better is possible (tests)
  // Called when a server ends without having been asked to, from a thread of the lab. Must be
  // quick and must not call start(), kill() or terminate().
  std::function<void(const Exit&)> on_unexpected_exit;
};

// A process of a node, as /proc shows it.
struct ProcessState {
  pid_t pid = 0;               // in the controller's /proc
  char state = '?';            // of its least stopped thread: 'T' only if every thread is stopped
  std::int64_t cpu_ticks = 0;  // user and system time
  std::int64_t switches = 0;   // context switches of all threads: it ran if this grew
  int held = 0;                // threads that a tracer has stopped
};

// A thread of a node.
struct ThreadState {
  pid_t pid = 0, tid = 0;  // in the controller's /proc
  std::string name;
  char state = '?';           // 't': held by a tracer
  std::int64_t run_ns = 0;    // on a processor
  std::int64_t switches = 0;  // context switches, voluntary or not
};

// What pause() did. resume() takes it back.
struct Pause {
  std::string node;
  unsigned incarnation = 0;
  std::chrono::nanoseconds took{0};     // until every thread was seen stopped
  std::vector<ProcessState> processes;  // as they were stopped
};

// What cut_power() did to a node.
struct PowerLoss {
  std::string node;
  bool had_power = true;  // false: another power loss had taken it; nothing was done
  bool ran = false;
  Loss lost;
  std::chrono::nanoseconds took{0};  // from the cut until its disk could be used again
};

class Lab {
 public:
  // Builds network and directories; starts nothing. Must run in a universe. One lab a universe.
  static Result<std::unique_ptr<Lab>> create(LabOptions options);
  ~Lab();  // kills whatever still runs and waits for it
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  const std::vector<Node>& nodes() const;  // in order: n1, n2, ...
  Result<Node> node(const std::string& name) const;

  // A node's files: <directory>/nodes/<name>/{log, data/, exit}. `log` has the server's stdout and
  // stderr of all its lives; `exit` one JSON line about how the last life ended.
  std::filesystem::path directory(const std::string& node) const;

  // Starts the server in the node's namespaces, data directory as cwd, own /proc, /tmp and
  // /dev/shm. Returns when exec has succeeded (not: when the server is ready). Fails if the node
  // runs already. Paths under /tmp that occur in argv or the environment stay visible.
  Status start(const std::string& node, ProcessSpec spec);
  Status restart(const std::string& node);  // start with the spec of the last start

  // kill -9 of every process of the node at once. Returns when all are dead: how long that took.
  // Killing a node that does not run is an Error. Works on a paused node.
  Result<std::chrono::nanoseconds> kill(const std::string& node);

  // SIGTERM to the server (and SIGCONT to a paused one), SIGKILL after `grace`. How it ended.
  Result<Exit> terminate(const std::string& node,
                         std::chrono::milliseconds grace = std::chrono::seconds(5));

  // SIGSTOP to every process of the node at once; returns when all are seen stopped. Pauses nest:
  // the node runs again when every Pause was resumed. Fails if the node does not run.
  Result<Pause> pause(const std::string& node);
  // True: the node runs again, seen not stopped. False: nothing to do, because another pause is
  // still in force or the node has been killed or restarted since (check incarnation()).
  Result<bool> resume(const Pause& pause);

  // Cuts the power of all these nodes at once: they die as by kill(), running or not their disks
  // lose what was not synced, and until restore_power() they stay down. A start() meanwhile waits for
  // that. Needs disks.
  Result<std::vector<PowerLoss>> cut_power(const std::vector<std::string>& nodes,
                                           const std::optional<Tear>& tear = {});
  // Power is back: starts the node if it ran when it went, or should have been started since.
  Status restore_power(const std::string& node);
  bool powered(const std::string& node) const;

  bool alive(const std::string& node) const;
  bool paused(const std::string& node) const;
  // It runs, and has not been started again since that incarnation.
  bool lives_on(const std::string& node, unsigned life) const;
  unsigned incarnation(const std::string& node) const;           // 0: never started
  std::optional<Exit> last_exit(const std::string& node) const;  // nullopt: has not ended yet
  std::vector<Exit> unexpected_exits() const;  // in order: those not asked for

  // The processes of a node: the server and its descendants, without the lab's own init.
  Result<std::vector<ProcessState>> processes(const std::string& node) const;
  std::vector<pid_t> pids(const std::string& node) const;  // empty: not running
  std::vector<ThreadState> threads(const std::string& node) const;  // the same; by tid

  Firewall& firewall();
  // Packets on their way between nodes and clients, impaired. Made when first asked for; an Error where
  // the kernel cannot.
  Result<Packets*> packets();
  // The node's clocks. An Error unless prepared for.
  Result<ClockControl*> clock(const std::string& node);

  // Faults of the node's calls into the file system, and "the n-th fsync" as an event. An Error unless
  // prepared for.
  Result<FileFaults*> files(const std::string& node);

  // The node's cgroup. An Error unless prepared for. A node that is frozen counts as stopped for
  // pause(), whose SIGSTOP takes effect when it thaws.
  Result<Cgroup*> cgroup(const std::string& node);

  // Whether everything that was done to the lab is undone, for the end of a run's faults, before it is
  // read what nodes hold: asks every mechanism (healed.h says how one is added) until all say yes. The
  // Error says what is left after `grace`.
  Status verify_healed(std::chrono::milliseconds grace = std::chrono::seconds(2)) const;

  // The node's disk: an Error unless prepared for.
  Result<Disk*> disk(const std::string& node);
  // Leaves what is on the disks in the nodes' data directories and removes the disks; for the end,
  // when no node runs. The destructor does it, too. What was left out, a sentence a node.
  std::vector<std::string> keep_data();

  // Runs fn in a thread inside the node's network namespace (tests, probes from a node's side).
  Status in_node_network(const std::string& node, const std::function<void()>& fn) const;

  std::chrono::nanoseconds build_time() const;  // what create() took

 private:
  struct Impl;
  explicit Lab(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gameday::lab
