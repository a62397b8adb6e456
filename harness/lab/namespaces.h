// Namespaces by file descriptor. A thread may be in namespaces of its own (setns(2) works on the
// calling thread), so whatever has to happen elsewhere happens in a thread that is gone afterwards.
#pragma once

#include <functional>

#include "harness/core/error.h"
#include "harness/lab/fd.h"

namespace gameday::lab {

// The calling thread's network namespace.
Result<Fd> current_netns();

// Runs fn in a new thread inside the network namespace, and waits. fn must not throw.
Status in_netns(int netns, const std::function<void()>& fn);

// Runs fn in a new thread, and waits; for fn which changes its own namespaces. fn must not throw.
void in_thread(const std::function<void()>& fn);

// Sets the calling thread's loopback interface up.
Status loopback_up();

// Writes a file of /proc.
Status write_proc(const char* path, const std::string& text);

}  // namespace gameday::lab
