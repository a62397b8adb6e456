// The sources of the HTML page (web/), embedded into the library by embed.cmake.
#pragma once

#include <string_view>

namespace gameday::report {

struct Asset {
  std::string_view text;
  std::string_view sha256;  // of the text, as hex digits
};

extern const Asset k_page;    // the template
extern const Asset k_style;   // report.css
extern const Asset k_d3;      // D3, version 3
extern const Asset k_script;  // the page's own JavaScript, all files in one

}  // namespace gameday::report
