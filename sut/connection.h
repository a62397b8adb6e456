// A TCP connection with a deadline on everything, for clients that speak a protocol of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "harness/core/system.h"

namespace gameday::sut {

class Connection {
 public:
  Connection() = default;
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  Status open(const std::string& address, std::uint16_t port, Deadline deadline);
  bool is_open() const { return fd_ >= 0; }
  void close();

  // After an Error the connection is closed.
  Status write(std::string_view bytes, Deadline deadline);
  Result<std::string> read_line(Deadline deadline,
                                std::string_view end = "\r\n");    // without the end
  Result<std::string> read(std::size_t bytes, Deadline deadline);  // as many, no fewer
  Result<std::string> read_some(Deadline deadline);                // one or more

 private:
  Status wait(short events, Deadline deadline);
  Status receive(Deadline deadline);

  int fd_ = -1;
  std::string buffer_;  // received and not read yet
};

}  // namespace gameday::sut
