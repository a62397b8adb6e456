#include "harness/core/error.h"

#include <cerrno>
#include <system_error>

namespace gameday {

tl::unexpected<Error> fail_errno(const std::string& what) {
  const int number = errno;
  return fail("{}: {}", what, std::generic_category().message(number));
}

}  // namespace gameday
