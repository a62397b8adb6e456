// Errors are values: a function that can fail for a reason outside the program returns Result<T>.
// Exceptions are for bugs of ours; the edges (main, checkers, worker threads) catch them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace gameday {

// What went wrong and, where there is something to do about it, what to do, in one sentence.
struct Error {
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

template <typename... Args>
tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::make_unexpected(Error{fmt::format(format, std::forward<Args>(args)...)});
}

// fail() with the text of errno, as of a system call that has just failed.
tl::unexpected<Error> fail_errno(const std::string& what);

}  // namespace gameday
