// What /proc says of the processes of a PID namespace.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "harness/lab/lab.h"

namespace gameday::lab {

std::string read_file(const std::filesystem::path& path);  // empty: it cannot be read

// The number after "<key>:" in a status file; the last one of the line (NSpid has several). -1: none.
std::int64_t status_number(const std::string& status, const std::string& key);

// The processes of the namespace that /proc/<pid>/ns/pid names `pid_namespace`, and of those nested
// in it no deeper, without its pid 1. Zombies are left out.
std::vector<ProcessState> processes_of(const std::string& pid_namespace);

// All their threads, by tid.
std::vector<ThreadState> threads_of(const std::string& pid_namespace);

// Polls until every process of the namespace is stopped (or, for false, none is). The processes as
// they were then; an Error after `timeout`.
Result<std::vector<ProcessState>> wait_until_stopped(const std::string& pid_namespace, bool stopped,
                                                     std::chrono::milliseconds timeout);

}  // namespace gameday::lab
