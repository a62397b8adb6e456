// Differential fuzzing: small random histories, judged by a checker and by brute force.
//   fuzz NAME COUNT [SEED]        prints the first history on which they differ, and exits with 1
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "checkers/linear/decide/differential.h"
#include "checkers/linear/differential.h"
#include "checkers/txn/differential.h"
#include "checkers/txn/differential_predicate.h"
#include "checkers/txn/differential_rw.h"

namespace {

using namespace gameday;

// "decide-X": an algorithm without a search; else a model. "" where they always agreed.
std::string fuzz(std::string_view name, std::uint64_t seed, std::size_t count) {
  if (name == "rw-register") return txn::differential_rw(seed, count);
  if (name == "closed-predicate") return txn::differential_predicate(seed, count);
  if (name == "list-append") return txn::differential(name, seed, count);
  if (name.starts_with("decide-")) return linear::differential_decide(name.substr(7), seed, count);
  return linear::differential(name == "set" ? "linearizable-set" : name, seed, count);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (count == 0) {
    fmt::print(stderr, "usage: fuzz NAME COUNT [SEED]\n"
                       "NAME: rw-register, list-append, closed-predicate, decide-OBJECT, "
                       "or a model of linearizability\n");
    return 254;
  }
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  const std::string mismatch = fuzz(argv[1], seed, count);
  if (mismatch.empty()) return 0;
  fmt::print("{}\n", mismatch);
  return 1;
}
