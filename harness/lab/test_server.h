// For the tests of the lab and of the faults: a small server to run on nodes, a client for it, and
// the main() of test binaries that work in a universe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/duration.h"
#include "harness/lab/lab.h"

namespace gameday::lab::testing {

// maybe_run_init, then the test server if asked for, then all tests; in a universe or not.
int test_main(int argc, char** argv, bool in_universe);

// Runs the test server, and does not return, if this process was started as one (server_spec()); for
// a main() of one's own, after maybe_run_init().
void maybe_run_server(int argc, char** argv);

std::filesystem::path own_binary();

// The value; an Error is thrown, which ends the test and says what it was.
template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}
inline void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

std::string content(const std::filesystem::path& file);  // empty: there is none

// A folder that is removed with the object.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The server: answers one UDP datagram with one, on kPort; listens for TCP there too.
//   time            CLOCK_REALTIME in ns          mono     CLOCK_MONOTONIC in ns
//   time-cost       ns per CLOCK_REALTIME read, of 20000
//   send <address>  sends "ping" there            count <address>   pings seen from there
//   fork            a child that only sleeps; its pid           exit <n>   ends (no answer)
//   file <call> <path> [<bytes>|<path>]   file_call() of test_files.h
//   run <command>   output of sh -c           marker   that of server_spec()
inline constexpr int kPort = 7000;
ProcessSpec server_spec(const std::string& marker = "gameday-test-server");

// Asks the server from the calling thread's network; nullopt: no answer in time.
std::optional<std::string> ask(const std::string& address, const std::string& question,
                               int timeout_ms = 1000);
std::optional<std::int64_t> ask_number(const std::string& address, const std::string& question);
// The server's clock ("time" or "mono") minus ours in s, by the quickest of some answers, so that a
// busy machine does not matter; 1e9: no answer.
double clock_offset(const std::string& address, const std::string& question);
bool wait_until_ready(const Lab& lab);  // all nodes answer; 5 s

// Whether a ping from one node arrives at another.
bool reaches(const Lab& lab, const std::string& from, const std::string& to);
// The pairs "n1>n2" which do not arrive, of all ordered pairs of nodes.
std::vector<std::string> cut_pairs(const Lab& lab);

// connect(2) from the calling thread's network; the errno, 0 when it worked.
int connect_tcp(const std::string& address, int timeout_ms);
int open_tcp(const std::string& address);  // the same as a descriptor, -1: it did not work


}  // namespace gameday::lab::testing
