#include "harness/lab/lab.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "harness/lab/lab_impl.h"
#include "harness/lab/namespaces.h"
#include "harness/lab/procfs.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kStopTimeout{5'000};

void write_exit_file(const NodeState& state, const Exit& exit) {
  Json line = {{"incarnation", exit.incarnation}, {"asked", exit.asked}};
  if (exit.provoked) line["provoked"] = true;
  if (exit.out_of_memory) line["out_of_memory"] = true;
  if (exit.code) line["code"] = *exit.code;
  if (exit.signal) line["signal"] = *exit.signal;
  // A new file: ext4 writes out one that was cut to nothing when it is closed (auto_da_alloc, ext4(5)),
  // and a kill would wait for that.
  std::error_code ignored;
  fs::remove(state.directory / "exit", ignored);
  std::ofstream(state.directory / "exit") << line.dump() << "\n";
}

Exit exit_of(const NodeState& state, std::optional<int> told) {
  const int wait_status = told.value_or(SIGKILL);  // with the init all are killed
  Exit exit;
  exit.node = state.node.name;
  exit.incarnation = state.incarnation;
  exit.asked = state.asked_to_end;
  // A server whose child was killed may well end by itself for that.
  exit.out_of_memory = state.cgroup && state.cgroup->memory_limit() &&
                       state.cgroup->usage().oom_kills > state.oom_kills;
  exit.asked |= exit.out_of_memory;
  exit.provoked = !exit.asked && state.files && state.files->failed_calls();
  exit.at = Clock::now();
  if (WIFSIGNALED(wait_status))
    exit.signal = WTERMSIG(wait_status);
  else
    exit.code = WEXITSTATUS(wait_status);
  return exit;
}

}  // namespace

Preparation& Preparation::operator|=(const Preparation& other) {
  clocks |= other.clocks;
  syscalls |= other.syscalls;
  disks |= other.disks;
  torn_disks |= other.torn_disks;
  cgroups |= other.cgroups;
  limits |= other.limits;
  return *this;
}

std::string describe(const Exit& exit) {
  if (exit.signal)
    return fmt::format("{} was killed by signal {} ({})", exit.node, *exit.signal,
                       ::strsignal(*exit.signal));
  return fmt::format("{} exited with code {}", exit.node, exit.code.value_or(-1));
}

void Lab::Impl::ended(NodeState& state, std::optional<int> wait_status) {
  Exit exit;
  {
    const std::lock_guard lock(state.mutex);
    exit = exit_of(state, wait_status);
    state.init_killed |= !wait_status && !state.asked_to_end;
    state.running = false;
    state.last_exit = exit;
  }
  write_exit_file(state, exit);
  if (exit.asked) return;
  {
    const std::lock_guard lock(mutex);
    unexpected.push_back(exit);
  }
  if (options.on_unexpected_exit) options.on_unexpected_exit(exit);
}

Status Lab::Impl::add_node(int number) {
  auto state = std::make_unique<NodeState>();
  const std::string name = fmt::format("n{}", number);
  state->directory = options.directory / "nodes" / name;
  state->node = {name, node_address(number), state->directory / "data"};
  std::error_code error;
  fs::create_directories(state->node.data, error);
  if (error) return fail("cannot make {}: {}", state->node.data.string(), error.message());
  if (options.prepare.clocks) {
    auto clock = ClockControl::create(state->directory, preload_clocks);
    if (!clock) return tl::make_unexpected(clock.error());
    state->clock = std::move(*clock);
    state->clock->trap_in(state->traps);
  }
  if (options.prepare.disks || options.prepare.torn_disks) {
    auto disk = Disk::create({.directory = state->node.data,
                              .bytes = disk_size(options.nodes),
                              .tear = options.prepare.torn_disks});
    if (!disk) return tl::make_unexpected(disk.error());
    state->disk = std::move(*disk);
  }
  if (options.prepare.syscalls != 0) {
    state->files = std::make_unique<FileFaults>(state->node.data, options.prepare.syscalls);
    state->files->register_in(state->traps);
  }
  if (state->disk) state->disk->sync_calls(state->traps);
  if (options.prepare.cgroups || options.prepare.limits) {
    auto cgroup = Cgroup::create(name, options.prepare.limits);
    if (!cgroup) return tl::make_unexpected(cgroup.error());
    state->cgroup = std::move(*cgroup);
  }
  auto filter = state->traps.filter();
  if (!filter) return tl::make_unexpected(filter.error());
  state->filter = std::move(*filter);
  nodes.push_back(state->node);
  states.push_back(std::move(state));
  return {};
}

InitSpec Lab::Impl::init_spec(const NodeState& state, const ProcessSpec& spec) const {
  InitSpec init{state.node.name,
                state.directory.string(),
                state.node.data.string(),
                (state.directory / "log").string(),
                spec.argv,
                {{"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"},
                 {"HOME", state.node.data.string()},
                 {"TMPDIR", "/tmp"},
                 {"LANG", "C.UTF-8"}},
                state.filter};
  if (state.cgroup) init.cgroups = state.cgroup->entrances();
  for (const auto& other : states)
    if (other->disk && other.get() != &state) init.foreign.push_back(other->node.data.string());
  if (state.clock) init.environment.merge(state.clock->environment());
  for (const auto& [key, value] : spec.environment) init.environment[key] = value;
  return init;
}

// With state.control held.
Status Lab::Impl::start(NodeState& state, const ProcessSpec& spec) {
  if (spec.argv.empty()) return fail("{}: the command is empty", state.node.name);
  if (!state.powered) {
    state.spec = spec;
    state.start_when_powered = true;
    return {};
  }
  {
    const std::lock_guard lock(state.mutex);
    if (state.running) return fail("{} is running already", state.node.name);
  }
  state.process.reset();  // of the last life: joins its thread, which may not hold our lock
  if (state.clock)
    if (auto status = state.clock->begin_life(); !status) return status;
  std::unique_lock<std::mutex> thawed;
  if (state.cgroup) thawed = state.cgroup->begin_life();
  {
    const std::lock_guard lock(state.mutex);
    if (state.cgroup) state.oom_kills = state.cgroup->usage().oom_kills;
    ++state.incarnation;
    state.running = true;  // before its end can be noticed
    state.asked_to_end = false;
  }
  state.spec = spec;
  state.pauses = 0;
  if (state.files) state.files->begin_life();
  auto process = NodeProcess::start(init_spec(state, spec), state.netns, state.traps,
                                    [this, &state](std::optional<int> status) { ended(state, status); });
  const std::lock_guard lock(state.mutex);
  if (!process) {
    state.running = false;
    return tl::make_unexpected(process.error());
  }
  state.process = std::move(*process);
  state.pid_namespace = state.process->pid_namespace();
  return {};
}

namespace {

// No thread of the node is stopped, whoever stopped it. A dead node has none.
Status runs(NodeState& state) {
  const std::lock_guard control(state.control);
  std::string pid_namespace;
  {
    const std::lock_guard lock(state.mutex);
    if (!state.running) return {};
    pid_namespace = state.pid_namespace;
  }
  if (state.pauses > 0) return fail("still paused");
  for (const auto& process : processes_of(pid_namespace)) {
    if (process.state == 'T') return fail("process {} is stopped", process.pid);
    if (process.held > 0) return fail("{} threads of process {} are held", process.held, process.pid);
  }
  return {};
}

Status writable(const fs::path& data) {
  struct statvfs info {};  // asks the file system itself: one whose server is dead says so
  if (::statvfs(data.c_str(), &info) != 0 || ::access(data.c_str(), W_OK) != 0)
    return fail_errno("cannot write to its data directory");
  if ((info.f_flag & ST_RDONLY) != 0) return fail("its data directory is read-only");
  return {};
}

// No server can do that, and no fault does: what the node showed is not the server's doing.
Status has_its_inits(const NodeState& state) {
  const std::lock_guard lock(state.mutex);
  if (!state.init_killed) return {};
  return fail("its init, a process of this tool, was killed from outside, and the server with it");
}

Status files_work(const FileFaults& files) {
  if (files.rules_in_force() > 0 || files.delayed_now() > 0)
    return fail("{} faults of its files in force, {} calls held", files.rules_in_force(),
                files.delayed_now());
  return {};
}

Status is_free(const Cgroup& cgroup) {
  if (cgroup.frozen()) return fail("still frozen");
  if (cgroup.limits_in_force() > 0) return fail("still limited in what it may use");
  return {};
}

Status shows_the_time(const ClockControl& clock) {
  if (clock.is_true()) return {};
  return fail("its clock is wrong by {} s", std::chrono::duration<double>(clock.offset()).count());
}

}  // namespace

void Lab::Impl::add_healed_checks() {
  healed.add("the firewall", [this]() -> Status {
    const auto rules = firewall->rules_in_force();
    if (!rules) return tl::make_unexpected(rules.error());
    if (*rules > 0) return fail("{} rules in force", *rules);
    return {};
  });
  healed.add("the packets", [this]() -> Status {
    const std::lock_guard lock(mutex);
    return packets ? packets->idle() : Status();
  });
  for (const auto& owned : states) {
    NodeState& state = *owned;
    healed.add(state.node.name, [&state] { return has_its_inits(state); });
    healed.add(state.node.name, [&state] { return runs(state); });
    healed.add(state.node.name, [&state] { return writable(state.node.data); });
    if (state.files) healed.add(state.node.name, [&state] { return files_work(*state.files); });
    if (state.cgroup) healed.add(state.node.name, [&state] { return is_free(*state.cgroup); });
    healed.add(state.node.name, [&state]() -> Status {
      const std::lock_guard control(state.control);
      if (!state.powered) return fail("still without power");
      return {};
    });
    if (state.clock)
      healed.add(state.node.name, [&state] { return shows_the_time(*state.clock); });
  }
}

Lab::Lab(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Lab::~Lab() {
  if (!impl_) return;
  for (const auto& state : impl_->states) {
    const std::lock_guard control(state->control);
    const std::lock_guard lock(state->mutex);
    state->asked_to_end = true;
    if (state->process) state->process->kill();
  }
  for (const auto& state : impl_->states) state->process.reset();
  (void)impl_->keep_data();
}

Result<std::unique_ptr<Lab>> Lab::create(LabOptions options) {
  const auto begin = Clock::now();
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  if (impl->options.nodes < 1 || impl->options.nodes > kMaxNodes)
    return fail("a lab has 1 to {} nodes, not {}", kMaxNodes, impl->options.nodes);
  std::error_code error;
  impl->options.directory = fs::absolute(impl->options.directory, error);
  if (impl->options.prepare.clocks) {
    const Status better = clocks_available();
    impl->preload_clocks = impl->options.preload_clocks || !better;
    if (!better && find_libfaketime().empty())
      return fail("{}; or install libfaketime, which can do a part of it", better.error().message);
  }
  if (impl->options.prepare.syscalls != 0)
    if (auto status = syscalls_available(); !status) return tl::make_unexpected(status.error());
  for (int i = 1; i <= impl->options.nodes; ++i)
    if (auto status = impl->add_node(i); !status) return tl::make_unexpected(status.error());

  std::vector<std::string> names;
  for (const auto& node : impl->nodes) names.push_back(node.name);
  auto fabric = Fabric::create(names);
  if (!fabric) return tl::make_unexpected(fabric.error());
  impl->fabric = std::move(*fabric);
  for (std::size_t i = 0; i < names.size(); ++i)
    impl->states[i]->netns = impl->fabric->node_netns(i);
  auto firewall = Firewall::create(impl->fabric->netns());
  if (!firewall) return tl::make_unexpected(firewall.error());
  impl->firewall = std::move(*firewall);
  impl->add_healed_checks();
  impl->build_time = Clock::now() - begin;
  return std::unique_ptr<Lab>(new Lab(std::move(impl)));
}

const std::vector<Node>& Lab::nodes() const { return impl_->nodes; }
Firewall& Lab::firewall() { return *impl_->firewall; }

Result<Packets*> Lab::packets() {
  const std::lock_guard lock(impl_->mutex);
  if (!impl_->packets) {
    auto made = Packets::create(impl_->fabric->netns(), *impl_->firewall);
    if (!made) return tl::make_unexpected(made.error());
    impl_->packets = std::move(*made);
  }
  return impl_->packets.get();
}

std::chrono::nanoseconds Lab::build_time() const { return impl_->build_time; }

Result<Node> Lab::node(const std::string& name) const {
  const NodeState* state = impl_->find(name);
  if (!state) return no_node(name);
  return state->node;
}

fs::path Lab::directory(const std::string& node) const {
  const NodeState* state = impl_->find(node);
  return state ? state->directory : fs::path();
}

Status Lab::start(const std::string& node, ProcessSpec spec) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  const std::lock_guard control(state->control);
  return impl_->start(*state, spec);
}

Status Lab::restart(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  const std::lock_guard control(state->control);
  if (!state->spec) return fail("{} was never started", node);
  return impl_->start(*state, ProcessSpec(*state->spec));
}

Result<std::chrono::nanoseconds> Lab::kill(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  const std::lock_guard control(state->control);
  {
    const std::lock_guard lock(state->mutex);
    if (!state->running) return not_running(node);
    state->asked_to_end = true;
  }
  const auto begin = Clock::now();
  state->process->kill();
  state->process->wait_for_end();
  return Clock::now() - begin;
}

Result<Exit> Lab::terminate(const std::string& node, std::chrono::milliseconds grace) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  const std::lock_guard control(state->control);
  {
    const std::lock_guard lock(state->mutex);
    if (!state->running) return not_running(node);
    state->asked_to_end = true;
  }
  state->process->terminate();
  if (!state->process->wait_for_end(grace)) {
    state->process->kill();
    state->process->wait_for_end();
  }
  const std::lock_guard lock(state->mutex);
  return *state->last_exit;
}

Result<Pause> Lab::pause(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  const std::lock_guard control(state->control);
  if (!alive(node)) return not_running(node);
  const auto begin = Clock::now();
  state->process->signal_all(SIGSTOP);
  if (state->files) state->files->let_go(true);
  const std::string& pid_namespace = state->process->pid_namespace();
  auto processes = state->cgroup && state->cgroup->frozen()
                       ? Result<std::vector<ProcessState>>(processes_of(pid_namespace))
                       : wait_until_stopped(pid_namespace, true, kStopTimeout);
  if (!processes) {
    if (state->pauses == 0) state->process->signal_all(SIGCONT);
    if (state->pauses == 0 && state->files) state->files->let_go(false);
    if (!alive(node)) return fail("{} died while it was being paused", node);
    return fail("cannot pause {}: {}", node, processes.error().message);
  }
  ++state->pauses;
  return Pause{node, incarnation(node), Clock::now() - begin, std::move(*processes)};
}

Result<bool> Lab::resume(const Pause& pause) {
  NodeState* state = impl_->find(pause.node);
  if (!state) return no_node(pause.node);
  const std::lock_guard control(state->control);
  if (!lives_on(pause.node, pause.incarnation)) return false;
  if (state->pauses == 0) return fail("{} is not paused", pause.node);
  if (--state->pauses > 0) return false;
  if (state->files) state->files->let_go(false);
  state->process->signal_all(SIGCONT);
  auto processes = wait_until_stopped(state->process->pid_namespace(), false, kStopTimeout);
  if (processes) return true;
  if (!alive(pause.node)) return false;
  return fail("cannot resume {}: {}", pause.node, processes.error().message);
}

bool Lab::alive(const std::string& node) const {
  const NodeState* state = impl_->find(node);
  if (!state) return false;
  const std::lock_guard lock(state->mutex);
  return state->running;
}

bool Lab::paused(const std::string& node) const {
  NodeState* state = impl_->find(node);
  if (!state) return false;
  const std::lock_guard control(state->control);
  return alive(node) && state->pauses > 0;
}

bool Lab::lives_on(const std::string& node, unsigned life) const {
  return alive(node) && incarnation(node) == life;
}

unsigned Lab::incarnation(const std::string& node) const {
  const NodeState* state = impl_->find(node);
  if (!state) return 0;
  const std::lock_guard lock(state->mutex);
  return state->incarnation;
}

std::optional<Exit> Lab::last_exit(const std::string& node) const {
  const NodeState* state = impl_->find(node);
  if (!state) return std::nullopt;
  const std::lock_guard lock(state->mutex);
  return state->last_exit;
}

std::vector<Exit> Lab::unexpected_exits() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->unexpected;
}

Result<std::vector<ProcessState>> Lab::processes(const std::string& node) const {
  const NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  std::string pid_namespace;
  {
    const std::lock_guard lock(state->mutex);
    if (!state->running) return not_running(node);
    pid_namespace = state->pid_namespace;
  }
  return processes_of(pid_namespace);
}

std::vector<pid_t> Lab::pids(const std::string& node) const {
  std::vector<pid_t> result;
  if (auto found = processes(node))
    for (const auto& process : *found) result.push_back(process.pid);
  return result;
}

std::vector<ThreadState> Lab::threads(const std::string& node) const {
  const NodeState* state = impl_->find(node);
  if (!state) return {};
  std::string pid_namespace;
  {
    const std::lock_guard lock(state->mutex);
    if (!state->running) return {};
    pid_namespace = state->pid_namespace;
  }
  return threads_of(pid_namespace);
}

Result<ClockControl*> Lab::clock(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  if (!state->clock) return fail("the lab was made without fake clocks");
  return state->clock.get();
}

Result<FileFaults*> Lab::files(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  if (!state->files) return fail("the lab was made without trapping calls into the file system");
  return state->files.get();
}

Result<Cgroup*> Lab::cgroup(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  if (!state->cgroup) return fail("the lab was made without cgroups");
  return state->cgroup.get();
}

Status Lab::verify_healed(std::chrono::milliseconds grace) const {
  return impl_->healed.verify(grace);
}

Status Lab::in_node_network(const std::string& node, const std::function<void()>& fn) const {
  const NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  return in_netns(state->netns, fn);
}

}  // namespace gameday::lab
