// Jepsen's history.txt, and logs of Jepsen in which such lines stand among others: what
// jepsen.util/op->str prints, "3\t:invoke\t:write\t4" and perhaps "\t:timed-out".
#include <algorithm>
#include <utility>

#include "checkers/events/scan.h"

namespace gameday::reading {
namespace {


}  // namespace

// A row is one line: Clojure prints the line ends within strings as \\n.
bool EdnScanner::text_op(Events::Row& row) {
  const char* const text_end = std::exchange(end_, std::find(at_, end_, '\n'));
  const bool good = text_line(row);
  end_ = text_end;
  return good;
}

bool EdnScanner::text_line(Events::Row& row) {
  const char* const begin = at_;
  const char* const line_end = end_;
  if (!begin_op(row)) return false;
  for (const OpKey which : {OpKey::process, OpKey::type, OpKey::f, OpKey::value}) {
    while (at_ != end_ && is_blank(*at_)) ++at_;
    if (at_ == line_end) {
      if (which == OpKey::value) break;  // a value of nothing, as (print nil) would have it
      return wrong(at_, which == OpKey::process ? "a process"
                        : which == OpKey::type  ? "the type :invoke, :ok, :fail or :info"
                                                : "a function");
    }
    if (field(which, {}, Value::Kind::keyword, row)) continue;
    // What a nemesis did is often printed for people only.
    if (which != OpKey::value || row.process >= 0) return false;
    stack_.clear();
    fault_ = {};
    depth_ = 1;
    at_ = line_end;
  }
  while (at_ != end_ && is_blank(*at_)) ++at_;
  return (at_ == end_ || *at_ == '\n' || text_error()) && end_op(begin, row);
}

// The rest of the line: an error as Clojure prints it, or any other text.
bool EdnScanner::text_error() {
  const char* const begin = at_;
  const auto* line_end = std::find(at_, end_, '\n');
  Value error;
  bool good = value(error);
  while (good && at_ != line_end && at_ != end_ && is_blank(*at_)) ++at_;
  good = good && (at_ == end_ || *at_ == '\n');
  if (!good) {
    stack_.clear();
    while (line_end != begin && is_blank(line_end[-1])) --line_end;
    const std::string_view text(begin, static_cast<std::size_t>(line_end - begin));
    if (!valid_utf8(text)) return false;
    error = writer().string(text);
    at_ = line_end;
    while (at_ != end_ && *at_ != '\n') ++at_;
  }
  fault_ = {};
  depth_ = 1;
  extra_ = {writer().keyword("error"), error};
  return true;
}

}  // namespace gameday::reading
