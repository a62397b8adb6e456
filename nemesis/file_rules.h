// What faults of files have in common: a rule (harness/lab/file_faults.h) on each of some nodes, in
// force until the fault heals.
#pragma once

#include "harness/lab/file_faults.h"
#include "nemesis/catalog.h"

namespace gameday::nemesis {

// Puts the rule in force on the nodes, also on those that do not run: it is about their disk. Its
// seed is made another one for each node. A server may end because a call has failed; healing starts
// those again that did.
Result<std::unique_ptr<ActiveFault>> inject_rule(lab::Lab& lab, std::vector<std::string> targets,
                                                 const lab::FileRule& rule);

// "EIO" and others, the errors that a schedule may name. 0: no such word.
int errno_of(std::string_view word);
std::string_view word_of(int error);
inline constexpr std::string_view kErrors[]{"EIO",   "ENOSPC", "EDQUOT", "EROFS",
                                            "EACCES", "EMFILE", "ENOMEM", "EINTR"};

}  // namespace gameday::nemesis
