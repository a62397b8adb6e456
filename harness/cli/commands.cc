#include "harness/cli/commands.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "checkers/catalog.h"
#include "checkers/events/read.h"
#include "harness/core/verdict.h"
#include "harness/lab/universe.h"
#include "harness/run/store.h"
#include "reports/console.h"
#include "reports/text.h"

namespace gameday::cli {
namespace fs = std::filesystem;
namespace {

ConsoleStyle console_style(bool page) {
  ConsoleStyle style;
  style.page = page;
  style.color = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  if (const auto width = terminal_width()) style.width = std::min(*width, 120);
  return style;
}

// page: report.html beside it shows this verdict.
int present(const RunRecord& record, bool json, bool page) {
  if (json) {
    Json answer = record.results;
    answer["folder"] = record.folder.string();
    fmt::print("{}\n", run::dump(answer, 2));
  } else {
    fmt::print("{}", render_console(record, console_style(page)));
  }
  if (const int failed = flushed(); failed != 0) return failed;
  const auto verdict = parse_verdict(record.results.value("verdict", std::string()));
  return verdict ? exit_code_of(*verdict) : exit_code::tool_failed;
}

// A history of any format. Our own may end in half a line, where a recorder was killed; what was
// recorded before is judged.
Status read_history_file(const CheckOptions& options, RunRecord& record) {
  if (options.format == "auto" && fs::path(options.run).extension() == ".jsonl") {
    auto read = read_what_is_there(fs::path(options.run));
    if (!read.damage.empty() && !read.half_line) return fail("{}: {}", options.run, read.damage);
    record.history = std::move(read.history);
    record.damage = std::move(read.damage);
    return {};
  }
  const auto format = parse_format(options.format);
  if (!format) return fail("--format: there is no format \"{}\"", options.format);
  ReadOptions reading;
  reading.format = *format;
  auto events = read_events(options.run, reading);
  if (!events) return tl::make_unexpected(events.error());
  auto history = to_history(*events);
  if (!history) return tl::make_unexpected(history.error());
  record.history = std::move(*history);
  return {};
}

}  // namespace

std::optional<int> terminal_width() {
  winsize size{};
  const bool known = ::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  return known && size.ws_col >= 40 ? std::optional<int>(size.ws_col) : std::nullopt;
}

int complain(int code, const std::string& message) {
  // What is quoted may come from anybody's file: nothing of it speaks to the terminal.
  fmt::print(stderr, "gameday: {}\n", report::printable_lines(message));
  return code;
}

// For CI that reads the answer from a file on a full disk. A reader who has gone has seen enough.
int flushed() {
  if ((std::fflush(stdout) == 0 && std::ferror(stdout) == 0) || errno == EPIPE) return 0;
  return complain(exit_code::tool_failed, "cannot write to standard output");
}

int run_command(const RunOptions& options, bool json) {
  // Composed before the universe: a wrong option must not cost one. No thread may exist yet.
  auto composition = compose(options);
  if (!composition) return complain(exit_code::bad_arguments, composition.error().message);
  if (options.print_schedule) {
    for (const auto& [fault, reason] : composition->plan.left_out)
      fmt::print(stderr, "gameday: without {}: {}\n", fault, reason);
    fmt::print("{}", print_schedule(composition->plan));
    return flushed();
  }
  if (const auto possible = machine_can(composition->plan); !possible)
    return complain(exit_code::tool_failed, possible.error().message);
  std::error_code error;
  fs::create_directories(options.store, error);
  if (error || ::access(options.store.c_str(), W_OK) != 0)
    return complain(exit_code::bad_arguments,
                    fmt::format("--store: cannot write to {}", options.store.string()));
  return lab::run_in_universe([&] {
    const run::StopSignals signals;
    const auto judged = run::execute(composition->plan, signals);
    if (!judged) return complain(exit_code::tool_failed, judged.error().message);
    const int code = present(judged->record, json, judged->stored.has_value());
    if (!judged->stored) return complain(exit_code::tool_failed, judged->stored.error().message);
    return code;
  });
}

int check_command(const CheckOptions& options) {
  for (const auto& name : options.checkers)
    if (find_checker(name) == nullptr)
      return complain(exit_code::bad_arguments,
                      fmt::format("--checker: there is no checker \"{}\"; `gameday list checkers` and "
                                  "`gameday list models` show them", name));
  std::error_code ignored;
  if (fs::is_regular_file(options.run, ignored)) {
    // A bare history: judged and shown, nothing is written.
    RunRecord record;
    if (const auto readable = read_history_file(options, record); !readable)
      return complain(exit_code::bad_arguments, readable.error().message);
    record.folder = fs::absolute(options.run).parent_path();
    record.results = check_record(record, options.checkers);
    return present(record, options.json, false);
  }
  const auto folder = run::find_run(options.store, options.run);
  if (!folder) return complain(exit_code::bad_arguments, folder.error().message);
  if (!options.checkers.empty()) {
    // A part of the checkers must not replace the verdict that all of them gave.
    RunRecord record = run::load_run(*folder);
    record.results = check_record(record, options.checkers);
    return present(record, options.json, false);
  }
  run::RunPlan plan;
  plan.check = [&](const RunRecord& r) { return check_record(r, options.checkers); };
  plan.report = write_reports;
  const auto judged = run::judge(*folder, plan);
  // A store that cannot be written to does not change the verdict.
  if (!judged.stored) fmt::print(stderr, "gameday: {}\n", judged.stored.error().message);
  return present(judged.record, options.json, judged.stored.has_value());
}

int report_command(const std::string& run_name, const fs::path& store) {
  const auto folder = run::find_run(store, run_name);
  if (!folder) return complain(exit_code::bad_arguments, folder.error().message);
  if (auto written = write_reports(run::load_run(*folder)); !written)
    return complain(exit_code::tool_failed, written.error().message);
  fmt::print("{}\n", (*folder / "report.html").string());
  return flushed();
}

namespace {

void add_rows(const Listing& listing, Json& rows) {
  const auto& keys = listing.keys.empty() ? listing.columns : listing.keys;
  for (const auto& row : listing.rows) {
    Json object = Json::object();
    for (std::size_t i = 0; i < row.size(); ++i) object[keys[i]] = row[i];
    rows.push_back(std::move(object));
  }
  for (const auto& more : listing.more) add_rows(more, rows);
}

std::size_t line_width() { return static_cast<std::size_t>(terminal_width().value_or(100)); }

void print_wrapped(const std::string& head, const std::string& text, std::size_t indent) {
  std::string before = fmt::format("{:<{}}", head, indent);
  for (const auto& line : report::wrap(text, line_width() - indent))
    fmt::print("{}{}\n", std::exchange(before, std::string(indent, ' ')), line);
}

// A line a row where all fit; otherwise what does not is below it, by the name of its column.
void print_table(const Listing& listing) {
  if (!listing.title.empty()) fmt::print("\n{}\n", listing.title);
  std::vector<std::size_t> widths(listing.columns.size());
  for (const auto& row : listing.rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], report::columns(row[i]));
  const std::size_t all = std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
  for (const auto& row : listing.rows) {
    std::string line;
    const std::size_t last = all <= line_width() ? row.size() - 1 : 1;
    for (std::size_t i = 0; i < last; ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    print_wrapped(line, row[last], report::columns(line));
    for (std::size_t i = last + 1; i < row.size(); ++i)
      if (!row[i].empty()) print_wrapped(fmt::format("    {}: ", listing.columns[i]), row[i], 16);
  }
  for (const auto& more : listing.more) print_table(more);
}

}  // namespace

int list_command(const std::string& what, bool json) {
  const auto listing = list(what);
  if (!listing)
    return complain(exit_code::bad_arguments,
                    fmt::format("there is nothing to list called \"{}\"; known: {}", what,
                                fmt::join(listable(), ", ")));
  if (json) {
    Json rows = Json::array();
    add_rows(*listing, rows);
    fmt::print("{}\n", run::dump(rows, 2));
  } else {
    print_table(*listing);
  }
  return flushed();
}

}  // namespace gameday::cli
