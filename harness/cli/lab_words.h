// The words of a person who plays with a lab, as requests to it (harness/run/lab_session.h).
#pragma once

#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/json.h"

namespace gameday::cli {

// Splits a line as a shell would, but leaves what stands in brackets or braces in one piece.
Result<std::vector<std::string>> split_words(const std::string& line);

// {"do":"inject", ...} of a fault's name and key=value pairs. A value is JSON where it parses, else
// text; lists may be written n1,n2. Without pairs the lab draws the parameters.
Result<Json> inject_request(const std::vector<std::string>& words);

// "3" or "all".
Result<Json> heal_request(const std::string& which);

// What an answer says to a person; errors of it on stderr. The exit code.
int print_answer(const Json& answer);

// A table of what is in force, and of the nodes, of a "status" answer.
std::string describe_faults(const Json& faults);
std::string describe_nodes(const Json& nodes);

}  // namespace gameday::cli
