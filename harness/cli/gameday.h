// gameday as a library: the whole command line, with systems of your own beside those that come along.
//
//   constexpr gameday::SystemKind kMine[]{{"mine", "my server", "set register", "/usr/bin/mine", {}, make}};
//   int main(int argc, char** argv) { return gameday::program(argc, argv, kMine); }
//
// and in CMakeLists.txt
//
//   find_package(gameday REQUIRED)
//   target_link_libraries(my_test PRIVATE gameday::gameday)
//
// harness/core/system.h says what a System and a Client are. What sut/ has for clients can be included by
// its path: sut/connection.h, sut/kv_client.h, sut/sql_client.h, sut/http/http_client.h. A worked example
// is in share/doc/gameday/examples/own_system.
#pragma once

#include <span>

#include "harness/core/system.h"

namespace gameday {

// Call it first in main(), before there is any thread: it forks, and nodes are started by executing the
// program once more. Returns the exit code. What is in `own` lives as long as the program.
int program(int argc, char** argv, std::span<const SystemKind> own = {});

}  // namespace gameday
