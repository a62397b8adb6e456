#include "harness/run/lab_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "harness/lab/fd.h"
#include "harness/run/store.h"

namespace gameday::run {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLongestLine = std::size_t{1} << 20;

// A socket's address has room for 107 bytes of path; its folder by descriptor is always short.
class Address {
 public:
  explicit Address(const fs::path& path)
      : folder_(::open(path.parent_path().empty() ? "." : path.parent_path().c_str(),
                       O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    address_.sun_family = AF_UNIX;
    const std::string name = fmt::format("/proc/self/fd/{}/{}", folder_.get(), path.filename().string());
    if (name.size() < sizeof address_.sun_path) std::strcpy(address_.sun_path, name.c_str());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  static constexpr socklen_t size() { return sizeof(sockaddr_un); }

 private:
  lab::Fd folder_;
  sockaddr_un address_{};
};

int make_socket() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

bool send_line(int fd, const Json& json) {
  const std::string line = dump(json) + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t n = ::send(fd, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

// The next line; `rest` keeps what came after it. nullopt: hung up, or no line in sight.
std::optional<std::string> receive_line(int fd, std::string& rest) {
  std::array<char, 4096> buffer;
  std::size_t end = 0;
  while ((end = rest.find('\n')) == std::string::npos) {
    if (rest.size() > kLongestLine) return std::nullopt;
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    rest.append(buffer.data(), static_cast<std::size_t>(n));
  }
  std::string line = rest.substr(0, end);
  rest.erase(0, end + 1);
  return line;
}

// The file's mode keeps strangers out; this keeps out root, for whom modes do not count.
bool is_same_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace

Result<std::unique_ptr<LabSocket>> LabSocket::listen(const fs::path& path, Handler handler) {
  lab::Fd fd(make_socket());
  if (!fd) return fail_errno("cannot make a socket");
  ::fchmod(fd.get(), 0600);  // before it has a name: nobody may come in between
  const Address address(path);
  if (::bind(fd.get(), address.get(), Address::size()) != 0 || ::listen(fd.get(), 16) != 0)
    return fail_errno(fmt::format("cannot listen at {}", path.string()));
  return std::unique_ptr<LabSocket>(new LabSocket(std::move(fd), path, std::move(handler)));
}

LabSocket::LabSocket(lab::Fd fd, fs::path path, Handler handler)
    : fd_(std::move(fd)), path_(std::move(path)), handler_(std::move(handler)) {
  acceptor_ = std::jthread([this] { accept_all(); });
}

LabSocket::~LabSocket() {
  ::shutdown(fd_.get(), SHUT_RDWR);  // ends accept()
  acceptor_.join();
  for (auto& connection : connections_) ::shutdown(connection.fd.get(), SHUT_RDWR);
  connections_.clear();  // joins
  std::error_code ignored;
  fs::remove(path_, ignored);
}

void LabSocket::accept_all() {
  for (;;) {
    lab::Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!fd) return;
    connections_.remove_if([](const Connection& old) { return old.over.load(); });
    Connection& connection = connections_.emplace_back();
    connection.fd = std::move(fd);
    connection.thread = std::jthread([this, &connection] { serve(connection); });
  }
}

void LabSocket::serve(Connection& connection) {
  std::string rest;
  const bool known = is_same_user(connection.fd.get());
  while (const auto line = receive_line(connection.fd.get(), rest)) {
    const Json request = parse_json(*line);
    Json answer = {{"ok", false}, {"bad", true}, {"error", "a request must be one JSON object a line"}};
    if (!known) answer["error"] = "this lab is another user's";
    else if (request.is_object()) answer = handler_(request);
    if (!send_line(connection.fd.get(), answer)) break;
  }
  ::shutdown(connection.fd.get(), SHUT_RDWR);
  connection.over = true;
}

Result<LabCaller> LabCaller::connect(const fs::path& path) {
  lab::Fd fd(make_socket());
  if (!fd) return fail_errno("cannot make a socket");
  const Address address(path);
  if (::connect(fd.get(), address.get(), Address::size()) == 0) return LabCaller(std::move(fd));
  if (errno == ECONNREFUSED)
    return fail("the lab of {} has ended, and left its socket behind: it was killed. Start another with "
                "`gameday lab`", path.string());
  if (errno == ENOENT || errno == ENOTDIR)
    return fail("there is no lab at {}: start one with `gameday lab`", path.string());
  if (errno == EACCES) return fail("the lab at {} is another user's", path.string());
  return fail_errno(fmt::format("cannot speak to the lab at {}", path.string()));
}

Result<Json> LabCaller::ask(const Json& request) {
  if (!send_line(fd_.get(), request)) return fail("the lab has ended");
  const auto line = receive_line(fd_.get(), rest_);
  if (!line) return fail("the lab has ended");
  Json answer = parse_json(*line);
  if (!answer.is_object()) return fail("the lab gave no answer that can be read: {}", *line);
  return answer;
}

}  // namespace gameday::run
