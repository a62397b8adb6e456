// `gameday doctor --install SYSTEM`: the packages of a system under test.
#pragma once

#include <string>
#include <vector>

namespace gameday::cli {

// Debian's packages that scripts/packages lists for this system.
std::vector<std::string> packages_of(const std::string& system);

// The last file, by name, that a pattern of glob(7) matches; empty: none.
std::string file_at(const std::string& pattern);

// Of the package that a file belongs to: "3.4.23-4+b7"; empty: of none, or this is no Debian.
std::string version_of(const std::string& file);

// Installs what is missing, by apt-get as root or through sudo; no service of theirs is started.
// Returns the exit code.
int install_command(const std::vector<std::string>& systems);

}  // namespace gameday::cli
