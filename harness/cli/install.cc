#include "harness/cli/install.h"

#include <glob.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/cli/commands.h"
#include "sut/catalog.h"

namespace gameday::cli {
namespace {

struct Package {
  std::string_view name, system;
};
constexpr Package kPackages[]{
#include "harness/cli/packages.inc"
};

// policy-rc.d(8) of invoke-rc.d: 101 forbids every action, so that no server starts by being
// installed. One that is there already is put back, whatever happens.
constexpr const char* kInstall = R"sh(
set -u
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
kept=$policy.before-gameday
restore() { rm -f "$policy"; [ ! -e "$kept" ] || mv "$kept" "$policy"; }
trap restore EXIT
trap 'exit 1' INT TERM HUP
[ ! -e "$policy" ] || [ -e "$kept" ] || mv "$policy" "$kept"
printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || exit 1
install() { apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" >"$log" 2>&1; }
log=$(mktemp)
install "$@" || { apt-get update >"$log" 2>&1 && install "$@"; } || {
  tail -n 20 "$log" >&2
  rm -f "$log"
  exit 1
}
rm -f "$log"
)sh";

// The first line that dpkg-query answers.
std::string dpkg(const std::string& question) {
  FILE* pipe = ::popen(("dpkg-query " + question + " 2>/dev/null").c_str(), "r");
  char text[512] = {};
  const bool read = pipe != nullptr && std::fgets(text, sizeof text, pipe) != nullptr;
  if (pipe != nullptr) ::pclose(pipe);
  return read ? text : "";
}

bool installed(const std::string& package) {
  return dpkg("-W -f='${db:Status-Status}' " + package) == "installed";
}

int run(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  int status = 0;
  if (::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) return 127;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

std::vector<std::string> packages_of(const std::string& system) {
  std::vector<std::string> names;
  for (const auto& package : kPackages)
    if (package.system == system) names.emplace_back(package.name);
  return names;
}

std::string file_at(const std::string& pattern) {
  glob_t found{};
  const bool any = ::glob(pattern.c_str(), 0, nullptr, &found) == 0 && found.gl_pathc > 0;
  std::string last = any ? found.gl_pathv[found.gl_pathc - 1] : "";
  ::globfree(&found);
  return last;
}

std::string version_of(const std::string& file) {
  const std::string owner = file.empty() ? "" : dpkg("-S " + file);
  const auto end = owner.find(": ");
  return end == std::string::npos ? "" : dpkg("-W -f='${Version}' " + owner.substr(0, end));
}

int install_command(const std::vector<std::string>& systems) {
  std::vector<std::string> missing;
  for (const auto& system : systems) {
    const SystemKind* kind = sut::find(system);
    if (kind == nullptr)
      return complain(
          exit_code::bad_arguments,
          fmt::format("--install: there is no system \"{}\"; `gameday list systems` shows them",
                      system));
    // One of a program that uses the library.
    if (packages_of(system).empty() && !kind->programs.empty())
      return complain(exit_code::bad_arguments,
                      fmt::format("--install: no package is known for {}, which needs {}", system,
                                  kind->programs));
    for (const auto& package : packages_of(system))
      if (!installed(package)) missing.push_back(package);
  }
  if (missing.empty()) {
    fmt::print("{}: everything is installed\n", fmt::join(systems, ", "));
    return flushed();
  }
  fmt::print(stderr, "installing {}\n", fmt::join(missing, " "));
  std::vector<std::string> words{"sh", "-c", kInstall, "gameday-install"};
  if (::geteuid() != 0) words.insert(words.begin(), "sudo");
  words.insert(words.end(), missing.begin(), missing.end());
  const int code = run(std::move(words));
  if (code == 127)
    return complain(
        exit_code::tool_failed,
        fmt::format("there is no sudo here; ask somebody who is root to run: apt-get install "
                    "--no-install-recommends {}",
                    fmt::join(missing, " ")));
  if (code != 0) return complain(exit_code::tool_failed, "the packages could not be installed");
  fmt::print("{}: installed\n", fmt::join(systems, ", "));
  return flushed();
}

}  // namespace gameday::cli
