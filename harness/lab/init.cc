#include "harness/lab/init.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "harness/lab/disk_backend.h"
#include "harness/lab/fd.h"
#include "harness/lab/namespaces.h"
#include "harness/lab/syscall_supervisor.h"
#include "harness/lab/universe.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;

bool is_under(const fs::path& path, const fs::path& folder) {
  const auto [end, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end() && path != folder;
}

void send_text(const std::string& text) {
  ::send(kInitSocket, text.data(), text.size(), MSG_NOSIGNAL);
}

// One message; nullopt: the controller is gone.
std::optional<std::string> receive_text() {
  std::string buffer(std::size_t{1} << 20, '\0');
  const ssize_t n = ::recv(kInitSocket, buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EINTR) return receive_text();
  if (n <= 0) return std::nullopt;
  buffer.resize(static_cast<std::size_t>(n));
  return buffer;
}

// Puts a fresh tmpfs on a folder and binds back what the node needs from under it. The old paths
// are reached by descriptors that were opened before.
Status mask(const std::string& folder, const std::string& mode, const InitSpec& spec) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) return {};
  std::vector<std::pair<std::string, Fd>> kept;
  for (const auto& path : needed_under(folder, spec)) {
    Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (fd) kept.emplace_back(path, std::move(fd));
  }
  if (::mount("tmpfs", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, mode.c_str()) != 0)
    return fail_errno(fmt::format("cannot mount a tmpfs on {}", folder));
  for (const auto& [path, fd] : kept) {
    const std::string source = fmt::format("/proc/self/fd/{}", fd.get());
    std::error_code error;
    if (fs::is_directory(source, error)) {
      fs::create_directories(path, error);
    } else {
      fs::create_directories(fs::path(path).parent_path(), error);
      Fd touched(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    if (::mount(source.c_str(), path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
      return fail_errno(fmt::format("cannot keep {} visible", path));
  }
  return {};
}

Status set_up(const InitSpec& spec) {
  if (::sethostname(spec.hostname.data(), spec.hostname.size()) != 0)
    return fail_errno("cannot set the host name");
  // Our copies of these mounts would keep a disk alive that loses its power: disk.h.
  for (const auto& disk : spec.foreign) ::umount2(disk.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  if (auto status = mask("/tmp", "mode=1777", spec); !status) return status;
  if (auto status = mask("/dev/shm", "mode=1777", spec); !status) return status;
  // EPERM as in universe.cc: a container with a masked /proc; the old one stays visible.
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0 &&
      errno != EPERM)
    return fail_errno("cannot mount /proc");
  if (::chdir(spec.data.c_str()) != 0) return fail_errno(fmt::format("cannot enter {}", spec.data));
  Fd log(::open(spec.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!log || !null) return fail_errno(fmt::format("cannot open {}", spec.log));
  if (::dup2(null.get(), 0) < 0 || ::dup2(log.get(), 1) < 0 || ::dup2(log.get(), 2) < 0)
    return fail_errno("cannot redirect the output");
  return {};
}

bool send_descriptor(std::string_view text, int fd) {
  std::string copy(text);
  iovec data{copy.data(), copy.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return ::sendmsg(kInitSocket, &message, MSG_NOSIGNAL) >= 0;
}

// In the forked child. Returns only when exec failed.
void exec_server(const InitSpec& spec) {
  ::setsid();
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const auto& entrance : spec.cgroups)
    if (!write_proc(entrance.c_str(), "0")) return;

  std::vector<std::string> storage;
  for (const auto& [key, value] : spec.environment) storage.push_back(key + "=" + value);
  std::vector<char*> environment, arguments;
  for (auto& entry : storage) environment.push_back(entry.data());
  environment.push_back(nullptr);
  for (const auto& argument : spec.argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // Last, so that nothing of ours is trapped but the exec itself.
  if (!spec.filter.empty()) {
    const auto listener = install_filter(spec.filter);
    if (!listener || !send_descriptor(kListenerMessage, listener->get())) return;
  }
  ::execvpe(arguments[0], arguments.data(), environment.data());
}

// Starts the server; when exec has succeeded, its pid.
Result<pid_t> start_server(const InitSpec& spec) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno("cannot make a pipe");
  Fd read_end(fds[0]), write_end(fds[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot fork");
  if (pid == 0) {
    exec_server(spec);
    const int error = errno;
    if (::write(write_end.get(), &error, sizeof error) < 0) ::_exit(126);
    ::_exit(127);
  }
  write_end.reset();
  int error = 0;
  if (::read(read_end.get(), &error, sizeof error) > 0)
    return fail("cannot execute {}: {}", spec.argv[0], std::strerror(error));
  return pid;
}

std::string pid_namespace() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/ns/pid", ignored).string();
}

void obey(const std::string& command, pid_t server) {
  if (command == "term") {
    ::kill(server, SIGTERM);
    ::kill(-1, SIGCONT);
  } else if (command.starts_with("signal ")) {
    ::kill(-1, std::atoi(command.c_str() + 7));  // all but us: kill(2), BUGS and NOTES
  }
}

// The wait status of the server, once it has ended.
std::optional<int> reap_server(pid_t server) {
  std::optional<int> result;
  int status = 0;
  pid_t pid = 0;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0)
    if (pid == server) result = status;
  return result;
}

int serve(pid_t server, int signals) {
  std::array<pollfd, 2> fds{{{kInitSocket, POLLIN, 0}, {signals, POLLIN, 0}}};
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return 1;
    signalfd_siginfo info;
    while (::read(signals, &info, sizeof info) > 0) {
    }
    if (auto status = reap_server(server)) {
      send_text(fmt::format("exited {}", *status));
      return 0;
    }
    if (fds[0].revents == 0) continue;
    const auto command = receive_text();
    if (!command) return 1;  // the controller is gone
    obey(*command, server);
  }
}

int init_main() {
  // Whatever else the controller had open at the moment it forked us is not the node's business.
  ::syscall(SYS_close_range, kInitSocket + 1, ~0U, 0);
  ::fcntl(kInitSocket, F_SETFD, FD_CLOEXEC);
  const auto text = receive_text();
  if (!text) return 1;
  auto spec = parse_init_spec(*text);
  if (!spec) {
    send_text("failed " + spec.error().message);
    return 1;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const Status status = set_up(*spec);
  auto server = status ? start_server(*spec) : tl::make_unexpected(status.error());
  if (!server) {
    send_text("failed " + server.error().message);
    return 1;
  }
  // As a descriptor: what the controller would kill by number could be another process by then.
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, *server, 0)));
  const std::string started = "started " + pid_namespace();
  if (!pidfd) send_text(started);  // a kernel before 5.3
  else if (!send_descriptor(started, pidfd.get())) return 1;
  return serve(*server, signals.get());
}

}  // namespace

void maybe_run_init(int argc, char** argv) {
  if (argc >= 2 && std::strcmp(argv[1], kInitCommand) == 0) ::_exit(init_main());
  if (argc >= 2 && std::strcmp(argv[1], kDiskCommand) == 0) ::_exit(serve_fuse_disk());
}

Json to_json(const InitSpec& spec) {
  Json filter = Json::array();
  for (const auto& i : spec.filter) filter.push_back({i.code, i.jt, i.jf, i.k});
  return Json{{"hostname", spec.hostname}, {"directory", spec.directory},
              {"data", spec.data},         {"log", spec.log},
              {"argv", spec.argv},         {"environment", spec.environment},
              {"filter", std::move(filter)}, {"cgroups", spec.cgroups},
              {"foreign", spec.foreign}};
}

Result<InitSpec> parse_init_spec(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  try {
    InitSpec spec{
        json.at("hostname"), json.at("directory"), json.at("data"), json.at("log"), {}, {}, {}};
    spec.argv = json.at("argv").get<std::vector<std::string>>();
    spec.environment = json.at("environment").get<std::map<std::string, std::string>>();
    for (const auto& i : json.at("filter")) spec.filter.push_back({i[0], i[1], i[2], i[3]});
    spec.cgroups = json.at("cgroups").get<std::vector<std::string>>();
    spec.foreign = json.at("foreign").get<std::vector<std::string>>();
    if (spec.argv.empty()) return fail("a node's command is empty");
    return spec;
  } catch (const std::exception& e) {
    return fail("malformed spec of a node: {}", e.what());
  }
}

std::vector<std::string> needed_under(const std::string& folder, const InitSpec& spec) {
  std::vector<fs::path> found;
  const auto consider = [&](const std::string& text) {
    std::error_code error;
    if (!text.starts_with('/') || !fs::exists(text, error)) return;
    fs::path path = fs::weakly_canonical(text, error);
    // A file's neighbours (libraries, configuration) come along with it.
    if (!fs::is_directory(path, error) && is_under(path.parent_path(), folder))
      path = path.parent_path();
    if (!error && is_under(path, folder)) found.push_back(path);
  };
  consider(spec.directory);
  consider(spec.data);
  std::vector<std::string> texts = spec.argv;
  for (const auto& [key, value] : spec.environment) texts.push_back(value);
  for (const auto& text : texts) {
    consider(text);
    // Paths inside --option=/path, a:b and a,b.
    for (std::size_t from = 0, to = 0; to != std::string::npos; from = to + 1) {
      to = text.find_first_of("=:,", from);
      consider(text.substr(from, to == std::string::npos ? to : to - from));
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> result;
  for (const auto& path : found)
    if (result.empty() || (path != result.back() && !is_under(path, result.back())))
      result.push_back(path.string());
  return result;
}

}  // namespace gameday::lab
