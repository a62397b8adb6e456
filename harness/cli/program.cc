#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "harness/cli/command_line.h"
#include "harness/cli/commands.h"
#include "harness/cli/completion.h"
#include "harness/cli/gameday.h"
#include "harness/core/verdict.h"
#include "harness/lab/universe.h"
#include "sut/catalog.h"

namespace gameday {
namespace {

// What a terminal, a closed pipe or a small limit would otherwise do to a run in its middle.
void prepare_process() {
  // Nothing of ours may get a descriptor that libraries take for standard output.
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd > STDERR_FILENO) ::close(fd);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTTOU, SIG_IGN);  // `stty tostop`, and a run is a process group of its own
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

int dispatch(int argc, char** argv, std::span<const SystemKind> own) {
  if (const auto added = sut::add(own); !added)
    return cli::complain(exit_code::tool_failed, added.error().message);
  const cli::CommandLine line = cli::make_command_line(own.empty() ? "gameday" : argv[0]);
  if (argc > 1 && std::string_view(argv[1]) == "__complete")
    return cli::complete_command(*line.app, {argv + 2, argv + argc});
  try {
    line.app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return line.app->exit(error) == 0 ? 0 : exit_code::bad_arguments;
  }
  for (const auto& [command, act] : line.commands)
    if (*command) return act();
  return exit_code::bad_arguments;
}

}  // namespace

int program(int argc, char** argv, std::span<const SystemKind> own) {
  lab::maybe_run_init(argc, argv);
  prepare_process();
  try {
    return dispatch(argc, argv, own);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gameday: {}\n", error.what());
    return exit_code::tool_failed;
  }
}

}  // namespace gameday
