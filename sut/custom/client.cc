// Clients that are processes of their own. One process speaks for one client of one node; a process
// that does not answer in time, or not as it should, is killed: what its op did is not known.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "sut/custom/answers.h"
#include "sut/custom/definition.h"

namespace gameday::custom {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kLongestLine = 64 << 20;
constexpr std::size_t kQuoted = 200;
constexpr std::size_t kLastWords = 4096;
// On a busy machine an interpreter for each client takes longer to start than an operation may.
constexpr auto kOpenLimit = 30s;

// The beginning of what a client said.
std::string quoted(const std::string& text) {
  return text.size() <= kQuoted ? text : text.substr(0, kQuoted) + "...";
}

// A child with pipes to its standard streams.
class Process {
 public:
  explicit Process(const std::vector<std::string>& argv) {
    std::array<std::array<int, 2>, 3> pipes{};
    for (auto& ends : pipes)
      if (::pipe2(ends.data(), O_CLOEXEC) != 0) ends = {-1, -1};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; ++fd)
      ::posix_spawn_file_actions_adddup2(&actions,
                                         pipes[static_cast<std::size_t>(fd)][fd == 0 ? 0 : 1], fd);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    // A group of its own: what it starts ends with it.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    std::vector<char*> words;
    for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    if (::posix_spawnp(&pid_, words[0], &actions, &attributes, words.data(), environ) != 0)
      pid_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    in_ = pipes[0][1];
    out_ = pipes[1][0];
    err_ = pipes[2][0];
    for (const int fd : {pipes[0][0], pipes[1][1], pipes[2][1]}) ::close(fd);
    ::fcntl(err_, F_SETFL, O_NONBLOCK);
    ::fcntl(in_, F_SETFL, O_NONBLOCK);
  }
  ~Process() {
    for (const int fd : {in_, out_, err_}) ::close(fd);
    if (pid_ <= 0) return;
    if (!wait(Clock::now() + 50ms)) {
      ::kill(-pid_, SIGKILL);
      int status = 0;
      while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
    }
    ::kill(-pid_, SIGKILL);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool started() const { return pid_ > 0; }
  // Its exit status, if it ends by then.
  std::optional<int> wait(Clock::time_point deadline) {
    int status = 0;
    while (!ended_ && pid_ > 0) {
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        ended_ = true;
        status_ = status;
      } else if (Clock::now() >= deadline) {
        return std::nullopt;
      } else {
        std::this_thread::sleep_for(2ms);
      }
    }
    return status_;
  }

  bool write(std::string text, Deadline deadline) {
    while (!text.empty()) {
      const ssize_t n = ::write(in_, text.data(), text.size());
      if (n > 0)
        text.erase(0, static_cast<std::size_t>(n));
      else if (n < 0 && errno == EAGAIN && ready(in_, POLLOUT, deadline))
        continue;
      else if (n < 0 && errno != EINTR)
        return false;
    }
    return true;
  }
  std::optional<std::string> read_line(Deadline deadline) {
    for (;;) {
      if (const auto end = buffer_.find('\n'); end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return line;
      }
      std::array<char, 65'536> bytes;
      if (buffer_.size() > kLongestLine || !ready(out_, POLLIN, deadline)) return std::nullopt;
      const ssize_t n = ::read(out_, bytes.data(), bytes.size());
      if (n <= 0) return std::nullopt;
      buffer_.append(bytes.data(), static_cast<std::size_t>(n));
    }
  }
  // The last line that it wrote to its standard error.
  std::string last_words() {
    hear();
    std::string text = words_;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.substr(text.rfind('\n') + 1);
  }

 private:
  void hear() {
    std::array<char, 4096> bytes;
    ssize_t n = 0;
    while ((n = ::read(err_, bytes.data(), bytes.size())) > 0)
      words_.append(bytes.data(), static_cast<std::size_t>(n));
    silent_ = n == 0;
    if (words_.size() > kLastWords) words_.erase(0, words_.size() - kLastWords);
  }
  // Standard error is read meanwhile: a full pipe would stop a process that logs much.
  bool ready(int fd, short events, Deadline deadline) {
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      std::array<pollfd, 2> waiting{{{fd, events, 0}, {silent_ ? -1 : err_, POLLIN, 0}}};
      const int n = left <= 0 ? 0 : ::poll(waiting.data(), 2, static_cast<int>(left));
      if (n < 0 && errno == EINTR) continue;
      if (n > 0 && waiting[1].revents != 0) hear();
      if (n <= 0 || waiting[0].revents != 0) return n > 0;
    }
  }

  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  int in_ = -1, out_ = -1, err_ = -1;
  std::string buffer_, words_;
  bool silent_ = false;  // standard error was closed
};

class ProcessClient final : public Client {
 public:
  ProcessClient(std::vector<std::string> argv, Json open, std::string workload)
      : argv_(std::move(argv)), open_(std::move(open)), workload_(std::move(workload)) {}

  Completion invoke(const Op& op, Deadline deadline) override {
    if (!open_now_)
      if (auto failed = open(deadline)) return *std::move(failed);
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    send({{"op", "invoke"}, {"f", op.f}, {"value", op.value}, {"timeout-ms", left}}, deadline);
    Completion done = answer(deadline, OpType::info);
    if (broken_) end();
    if (done.type != OpType::ok) return done;
    if (const auto wanted = misfit(workload_, op.f, op.value, done.value)) {
      end();
      return {OpType::info, nullptr,
              fmt::format("the client answered {} with {}, which must be {}", op.f,
                          quoted(done.value.dump()), *wanted)};
    }
    return done;
  }

 private:
  // What to answer where it is not open by the deadline. One that is still starting goes on.
  std::optional<Completion> open(Deadline deadline) {
    if (!process_) {
      process_ = std::make_unique<Process>(argv_);
      since_ = Clock::now();
      send(open_, deadline);
    }
    Completion opened = answer(deadline, OpType::fail);
    open_now_ = !broken_ && opened.type == OpType::ok;
    if (open_now_) return std::nullopt;
    const auto now = Clock::now();
    if (broken_ && process_->started() && now >= deadline && now - since_ < kOpenLimit) {
      broken_ = false;
      return Completion{OpType::fail, nullptr, "the client is still starting"};
    }
    end();
    return Completion{OpType::fail, nullptr, "the client could not be opened: " + opened.error};
  }
  void end() {
    process_.reset();
    open_now_ = broken_ = false;
  }

  void send(Json request, Deadline deadline) {
    request["id"] = ++id_;
    broken_ = !process_->started() || !process_->write(request.dump() + "\n", deadline);
  }
  // To what was sent last. `lost`: what it is if none comes.
  Completion answer(Deadline deadline, OpType lost) {
    if (!process_->started())
      return {OpType::fail, nullptr, fmt::format("{} cannot be started", argv_[0])};
    const auto line = broken_ ? std::nullopt : process_->read_line(deadline);
    broken_ = true;
    if (!line) {
      const std::string words = process_->last_words();
      const bool late = Clock::now() >= deadline;
      return {lost, nullptr,
              fmt::format("{}{}{}", late ? "no answer in time" : "the client ended",
                          words.empty() ? "" : ": ", words)};
    }
    const Json answer = parse_json(*line);
    const Json said = answer.is_object() ? answer.value("type", Json()) : Json();
    const std::string type = said.is_string() ? said.get<std::string>() : "";
    if (!answer.is_object() || answer.value("id", Json()) != id_ ||
        (type != "ok" && type != "fail" && type != "info"))
      return {lost, nullptr, "the client answered what is no answer: " + quoted(*line)};
    broken_ = false;
    Completion done{type == "ok"     ? OpType::ok
                    : type == "fail" ? OpType::fail
                                     : OpType::info,
                    answer.value("value", Json()), ""};
    const Json error = answer.value("error", Json());
    if (!error.is_null()) done.error = error.is_string() ? error.get<std::string>() : error.dump();
    return done;
  }

  std::vector<std::string> argv_;
  Json open_;
  std::string workload_;
  std::unique_ptr<Process> process_;
  Clock::time_point since_;  // it was started
  std::int64_t id_ = 0;
  bool open_now_ = false;
  bool broken_ =
      false;  // it said nothing, or what is no answer: none may be expected of it any more
};

}  // namespace

std::unique_ptr<Client> make_client(std::vector<std::string> argv, const Node& node,
                                    const std::vector<Node>& all, const std::string& workload) {
  Json nodes = Json::object();
  for (const auto& each : all) nodes[each.name] = each.address;
  return std::make_unique<ProcessClient>(std::move(argv),
                                         Json{{"op", "open"},
                                              {"node", node.name},
                                              {"address", node.address},
                                              {"nodes", std::move(nodes)},
                                              {"workload", workload}},
                                         workload);
}

bool succeeds(const std::vector<std::string>& argv, Deadline deadline) {
  // It may say what it likes, and is asked nothing.
  std::vector<std::string> quietly{"/bin/sh", "-c", "exec \"$@\" </dev/null >/dev/null 2>&1",
                                   "check"};
  quietly.insert(quietly.end(), argv.begin(), argv.end());
  Process process(quietly);
  return process.started() && process.wait(deadline) == 0;
}

}  // namespace gameday::custom
