#include "harness/lab/test_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "harness/lab/fd.h"
#include "harness/lab/test_files.h"
#include "harness/lab/universe.h"

namespace gameday::lab::testing {
namespace {

namespace fs = std::filesystem;

sockaddr_in socket_address(const std::string& address) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(kPort);
  ::inet_pton(AF_INET, address.c_str(), &result.sin_addr);
  return result;
}

std::int64_t now(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return t.tv_sec * std::int64_t{1'000'000'000} + t.tv_nsec;
}

std::int64_t time_cost() {
  constexpr int kReads = 20'000;
  const auto begin = now(CLOCK_MONOTONIC);
  for (int i = 0; i < kReads; ++i) (void)now(CLOCK_REALTIME);
  return (now(CLOCK_MONOTONIC) - begin) / kReads;
}

std::string fork_sleeper() {
  const pid_t pid = ::fork();
  if (pid != 0) return std::to_string(pid);
  for (;;) ::pause();
}

std::string shell(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  while (pipe && std::fgets(buffer.data(), buffer.size(), pipe)) output += buffer.data();
  if (pipe) ::pclose(pipe);
  return output;
}

class Server {
 public:
  explicit Server(std::string marker) : marker_(std::move(marker)) {}
  int run() {
    socket_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto any = socket_address("0.0.0.0");
    const auto* name = reinterpret_cast<const sockaddr*>(&any);
    if (::bind(socket_.get(), name, sizeof any) != 0 ||
        ::bind(listener.get(), name, sizeof any) != 0 || ::listen(listener.get(), 64) != 0)
      return 1;
    fmt::print("serving\n");
    std::fflush(stdout);
    for (;;) serve_one();
  }

 private:
  void serve_one() {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    std::array<char, 2048> buffer;
    const ssize_t n = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&peer), &size);
    if (n <= 0) return;
    const std::string text(buffer.data(), static_cast<std::size_t>(n));
    const std::string from = ::inet_ntoa(peer.sin_addr);
    if (text == "ping") {
      ++pings_[from];
      return;
    }
    const std::string answer = answer_to(text);
    ::sendto(socket_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer),
             size);
  }

  std::string answer_to(const std::string& text) {
    const std::size_t space = text.find(' ');
    const std::string verb = text.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : text.substr(space + 1);
    if (verb == "time") return std::to_string(now(CLOCK_REALTIME));
    if (verb == "marker") return marker_;
    if (verb == "mono") return std::to_string(now(CLOCK_MONOTONIC));
    if (verb == "time-cost") return std::to_string(time_cost());
    if (verb == "count") return std::to_string(pings_[rest]);
    if (verb == "fork") return fork_sleeper();
    if (verb == "file") return file_call(rest);
    if (verb == "run") return shell(rest);
    if (verb == "exit") std::exit(std::atoi(rest.c_str()));
    if (verb == "send") {
      const auto to = socket_address(rest);
      ::sendto(socket_.get(), "ping", 4, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
      return "sent";
    }
    return "what?";
  }

  const std::string marker_;
  Fd socket_;
  std::map<std::string, int> pings_;
};

}  // namespace

void maybe_run_server(int argc, char** argv) {
  if (argc >= 2 && std::strcmp(argv[1], "test-server") == 0)
    ::_exit(Server(argc >= 3 ? argv[2] : "").run());
}

int test_main(int argc, char** argv, bool in_universe) {
  maybe_run_init(argc, argv);
  maybe_run_server(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  if (!in_universe) return RUN_ALL_TESTS();
  return run_in_universe([] { return RUN_ALL_TESTS(); });
}

fs::path own_binary() { return fs::read_symlink("/proc/self/exe"); }

std::string content(const std::filesystem::path& file) {
  std::ostringstream text;  // takes what can be read: a process may end while we read its cmdline
  text << std::ifstream(file).rdbuf();
  return text.str();
}

TempFolder::TempFolder() {
  std::string name = (fs::temp_directory_path() / "gameday-test-XXXXXX").string();
  path_ = ::mkdtemp(name.data()) ? name : "/nonexistent";
}
TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ProcessSpec server_spec(const std::string& marker) {
  return {{own_binary().string(), "test-server", marker}, {}};
}

std::optional<std::string> ask(const std::string& address, const std::string& question,
                               int timeout_ms) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto to = socket_address(address);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
      ::send(socket.get(), question.data(), question.size(), 0) < 0)
    return std::nullopt;
  pollfd fd{socket.get(), POLLIN, 0};
  std::array<char, 4096> buffer;
  if (::poll(&fd, 1, timeout_ms) <= 0) return std::nullopt;
  const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
  if (n < 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(n));
}

std::optional<std::int64_t> ask_number(const std::string& address, const std::string& question) {
  const auto answer = ask(address, question);
  if (!answer) return std::nullopt;
  return std::atoll(answer->c_str());
}

double clock_offset(const std::string& address, const std::string& question) {
  const clockid_t clock = question == "mono" ? CLOCK_MONOTONIC : CLOCK_REALTIME;
  double result = 1e9;
  std::int64_t quickest = std::int64_t{1} << 60;
  for (int attempt = 0; attempt < 20 && quickest > 5'000'000; ++attempt) {
    const std::int64_t before = now(clock);
    const auto theirs = ask_number(address, question);
    const std::int64_t took = now(clock) - before;
    if (!theirs || took >= quickest) continue;
    quickest = took;
    result = static_cast<double>(*theirs - before - took / 2) / 1e9;
  }
  return result;
}

bool wait_until_ready(const Lab& lab) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (const auto& node : lab.nodes())
    while (!ask(node.address, "time", 20)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  return true;
}

bool reaches(const Lab& lab, const std::string& from, const std::string& to) {
  const std::string source = lab.node(from)->address, target = lab.node(to)->address;
  const auto before = ask_number(target, "count " + source);
  if (!before || !ask(source, "send " + target)) return false;
  // On the wire it takes microseconds; the wait is only for a busy machine.
  for (int i = 0; i < 20; ++i) {
    if (ask_number(target, "count " + source) > before) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(i < 10 ? 1 : 5));
  }
  return false;
}

std::vector<std::string> cut_pairs(const Lab& lab) {
  std::vector<std::string> result;
  for (const auto& from : lab.nodes())
    for (const auto& to : lab.nodes())
      if (from.name != to.name && !reaches(lab, from.name, to.name))
        result.push_back(from.name + ">" + to.name);
  return result;
}

int connect_tcp(const std::string& address, int timeout_ms) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto to = socket_address(address);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd fd{socket.get(), POLLOUT, 0};
  if (::poll(&fd, 1, timeout_ms) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

int open_tcp(const std::string& address) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto to = socket_address(address);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return -1;
  return ::dup(socket.get());
}

}  // namespace gameday::lab::testing
