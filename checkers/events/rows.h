// Rows of a text, one after another, in any of the formats. Private to the readers.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "checkers/events/read.h"
#include "checkers/events/scan.h"

namespace gameday::reading {

// How much of what stands at a wrong place is told.
constexpr std::ptrdiff_t kFoundLength = 24;

// What format a text has that begins so; a fault where no format begins so. Not for blank text.
Result<Format> sniff(std::string_view text);

// Whether a text's first line is one of AWDIT's.
bool is_awdit(std::string_view text);

// Where in a collection of ops a text stands: it may begin in the middle of a file.
struct Collection {
  enum class State { none, before, first, item, comma, after } state = State::none;
  char close = 0;
  std::int32_t session = 0;  // of AWDIT's format
  bool session_begun = false;
};

class RowReader {
 public:
  RowReader(Format format, Events& rows, Values::Writer& writer);

  // The next text; `last`: nothing follows it.
  void start(std::string_view text, bool last, const Collection& collection);
  enum class Next { row, end, more, wrong };  // more: the text ends within a row
  Next next(Events::Row& row);
  // Where the row that next() gave, or failed at, begins; where the rest begins after `end`.
  const char* row_begin() const { return begin_; }
  // Behind the last row that is whole: where the rest of the text begins.
  const char* rest() const { return rest_; }
  const Fault& fault() const { return scanner_->fault(); }
  // As it is at rest().
  const Collection& collection() const { return collection_; }

 private:
  Next failed();
  Next next_op(Events::Row& row);
  Next next_line(Events::Row& row);
  std::optional<Next> between_items();
  Next next_transaction(Events::Row& row);
  bool micro_op(const char* p, const char* line_end);

  Format format_;
  std::unique_ptr<Scanner> scanner_;
  EdnScanner* edn_ = nullptr;  // scanner_, where it is one of EDN
  Collection collection_;
  bool last_ = false;
  const char* begin_ = nullptr;
  const char* rest_ = nullptr;
  std::vector<Value> micro_ops_;           // of AWDIT's transaction
  std::optional<Events::Row> completion_;  // of the invocation that was the row before
};

}  // namespace gameday::reading
