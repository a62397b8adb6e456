// kill -9 exactly at the n-th fsync of a node, and again at each n-th, until healed: the style
// "at-fsync" of the kill fault. The thread is held at its fsync until the node is dead, so what the
// node had promised to others by then, and what is on its disk, is as exact as it can be.
#pragma once

#include "nemesis/catalog.h"

namespace gameday::nemesis {

// Parameters: every (default 1), delay_ms of the restart (default 0), moment "before" (default; the
// fsync never happens) or "after" (it has happened, and the node never learns).
Result<std::unique_ptr<ActiveFault>> crash_at_fsync(lab::Lab& lab, const Json& parameters,
                                                    std::vector<std::string> targets);
std::string describe_crash_at_fsync(const Json& parameters);

inline constexpr std::string_view kAtFsync = "at-fsync";
inline constexpr std::string_view kMoments[]{"before", "after"};
inline constexpr Parameter kEveryParameter{
    .name = "every", .kind = Parameter::Kind::whole, .least = 1, .most = 1e9};
inline constexpr Parameter kMomentParameter{.name = "moment", .words = kMoments};

}  // namespace gameday::nemesis
