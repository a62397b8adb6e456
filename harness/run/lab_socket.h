// The door to a running lab: a Unix socket in the file system, which reaches into the lab's private
// network namespace from outside. One JSON object a line, an answer for each (lab_session.h says
// which). Only its own user may speak to it.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "harness/core/error.h"
#include "harness/core/json.h"
#include "harness/lab/fd.h"

namespace gameday::run {

class LabSocket {
 public:
  using Handler = std::function<Json(const Json& request)>;  // from any thread; may take its time

  // Listens at the path, mode 0600. Anything that stands there is an Error.
  static Result<std::unique_ptr<LabSocket>> listen(const std::filesystem::path& path, Handler handler);
  ~LabSocket();  // hangs up on everybody, waits for handlers, removes the file
  LabSocket(const LabSocket&) = delete;
  LabSocket& operator=(const LabSocket&) = delete;

 private:
  struct Connection {
    lab::Fd fd;
    std::atomic<bool> over = false;
    std::jthread thread;
  };
  LabSocket(lab::Fd fd, std::filesystem::path path, Handler handler);
  void accept_all();
  void serve(Connection& connection);

  const lab::Fd fd_;
  const std::filesystem::path path_;
  const Handler handler_;
  std::list<Connection> connections_;  // of the accepting thread, and of the destructor after it
  std::jthread acceptor_;
};

// The other end.
class LabCaller {
 public:
  // An Error says whether there never was a lab, or it has ended.
  static Result<LabCaller> connect(const std::filesystem::path& path);
  Result<Json> ask(const Json& request);  // waits as long as the lab lives

 private:
  explicit LabCaller(lab::Fd fd) : fd_(std::move(fd)) {}
  lab::Fd fd_;
  std::string rest_;
};

}  // namespace gameday::run
