// The process that serves a FUSE disk: a VolatileFs, mounted. One thread; whatever it does, it never
// touches its own mount. It ends with its controller, whose socket it has as kDiskSocket, and talks
// in JSON over it, an answer a request; {"error": why} if it failed:
//   {"do": "mount", "directory": ..., "bytes": ...}        {}
//   {"do": "power-loss", and for a Tear "seed", "sector"}   {"torn": what a Tear did}
// Only the kernel of the same user namespace can mount it: the descriptor of /dev/fuse is opened here.
#pragma once

namespace gameday::lab {

inline constexpr int kDiskSocket = 3;

}  // namespace gameday::lab
