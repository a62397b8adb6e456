// The summary at the end of a run, for somebody at a terminal at 3 a.m.
#pragma once

#include <string>

#include "harness/core/run_record.h"

namespace gameday {

struct ConsoleStyle {
  bool color = false;
  int width =
      80;  // columns; the command and the paths are never broken, so that they can be copied
  bool page = true;  // say where report.html is: it shows this verdict
};

std::string render_console(const RunRecord& run, ConsoleStyle style);

}  // namespace gameday
