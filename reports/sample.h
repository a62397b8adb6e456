// A made-up run that looks like a real one, for the tests of the reports and for looking at them.
#pragma once

#include <string>

#include "harness/core/run_record.h"

namespace gameday {

struct SampleOptions {
  int ops = 5000;        // client ops, roughly
  bool invalid = true;   // three acknowledged appends are lost; else everything is VALID
  std::string attack{};  // put into values, errors, names and messages
};

RunRecord sample_run(const SampleOptions& options);

// Texts that try to become markup, script, terminal control or broken encoding.
inline const std::string kAttack =
    std::string(
        "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
        "\"'&]]><!--\x1b[31m\x1b]0;owned\x07\x9b"
        "31m\xc2\x9b"
        "2J \xff\xfe\xe2\x80\xa8\xe2\x80\xae \r\n{{data}}") +
    std::string(1, '\0') + "end";

}  // namespace gameday
