// Damage to files below a directory, done and read back. Symbolic links are never followed, so that
// nothing outside the directory can be hit; opened with openat2(2), which makes sure of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/rng.h"

namespace gameday::nemesis {

// Which chunks of a file may be hit: those whose number is `residue` modulo `modulus`. Nodes with
// residues of their own are hit in different places, so that a majority still has each chunk whole
// (as Jepsen's file corruption for helix does it).
struct Region {
  std::uint64_t chunk = 4096;  // bytes
  std::uint64_t modulus = 1, residue = 0;

  std::uint64_t size_within(std::uint64_t file_size) const;  // bytes of a file that may be hit
  std::uint64_t offset(std::uint64_t n) const;               // of the n-th of them in the file
};

struct Change {
  std::string file;  // below the directory
  std::uint64_t offset = 0, bytes = 0;
  std::string what;  // "bit 3 flipped", "cut off", "taken back"
};

// Regular files below the directory whose path from there matches (fnmatch; '*' matches '/', too).
std::vector<std::string> files_below(const std::filesystem::path& directory,
                                     const std::string& glob);

// Each adds what it has changed, verified by reading it back, to `changes`. A file that is gone in the
// meantime is no error, and nothing changed.

// One bit in each byte that is hit: each with this probability, or as many as `flips` says.
struct Flips {
  std::optional<double> probability;
  std::uint64_t flips = 1;
};
Status flip_bits(const std::filesystem::path& directory, const std::string& file,
                 const Region& region, const Flips& flips, Rng& rng, std::vector<Change>& changes);
// The last bytes, or all that there are.
Status cut_off(const std::filesystem::path& directory, const std::string& file,
               std::uint64_t bytes, std::vector<Change>& changes);
// The region as it is in the image, a copy of the file from earlier. With a modulus of 1 the file
// has the length of the image, too.
Status take_back(const std::filesystem::path& directory, const std::string& file,
                 const std::filesystem::path& image, const Region& region,
                 std::vector<Change>& changes);

}  // namespace gameday::nemesis
