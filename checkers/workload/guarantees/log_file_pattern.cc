// Lines of log files that should not be there ("panic", "assertion failed"), as a regular
// expression of ECMAScript. Jepsen's log-file-pattern greps the logs of all nodes in the same way.
#include <fmt/format.h>

#include <fstream>
#include <regex>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"

namespace gameday::guarantees {
namespace {

// std::regex recurses on its input: a longer line is searched in pieces that overlap by half.
constexpr std::size_t kPiece = 4096;

class Search {
 public:
  explicit Search(const ModelInput& input) : options_(input.options), limits_(input.limits) {}

  CheckResult check() && {
    if (options_.pattern.empty() || options_.log_files.empty()) {
      findings_.unknown("give a regular expression (pattern) and the files to search (log files)");
      return std::move(findings_).result("");
    }
    try {
      pattern_.assign(options_.pattern, std::regex::ECMAScript | std::regex::optimize);
      for (const std::string& file : options_.log_files)
        if (!search(file)) break;
    } catch (const std::regex_error& e) {
      findings_.unknown(
          fmt::format("the pattern /{}/ cannot be searched for: {}", options_.pattern, e.what()));
    }
    findings_.stats = {{"files", files_}, {"lines", lines_}, {"matches", matches_}};
    return std::move(findings_).result(
        fmt::format("/{}/ is in none of {} lines of {} files", options_.pattern, lines_, files_));
  }

 private:
  // False: the limits are reached.
  bool search(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::string piece;
    std::size_t line = 1;
    bool seen = false;  // a match in this line
    if (!in) {
      findings_.unknown(fmt::format("{} cannot be read", file));
      return true;
    }
    ++files_;
    for (std::string block(std::size_t{1} << 16, '\0');
         in.read(block.data(), 1 << 16), in.gcount() > 0;) {
      for (const char c : std::string_view(block.data(), static_cast<std::size_t>(in.gcount()))) {
        if (c != '\n') {
          piece += c;
          if (piece.size() < kPiece) continue;
          if (!seen) seen = match(file, line, piece);
          piece.erase(0, kPiece / 2);
          continue;
        }
        if (!seen) match(file, line, piece);
        piece.clear();
        seen = false;
        ++line;
        ++lines_;
      }
      if (const char* reason = limits_.expired()) {
        findings_.unknown(fmt::format("{} at line {} of {}", reason, line, file));
        return false;
      }
    }
    if (in.bad()) findings_.unknown(fmt::format("{} cannot be read to its end", file));
    if (!piece.empty()) {
      ++lines_;
      if (!seen) match(file, line, piece);
    }
    return true;
  }

  bool match(const std::string& file, std::size_t line, std::string_view text) {
    if (text.ends_with('\r')) text.remove_suffix(1);
    std::match_results<std::string_view::const_iterator> found;
    if (!std::regex_search(text.begin(), text.end(), found, pattern_)) return false;
    ++matches_;
    if (findings_.full()) {
      findings_.count_only();
      return true;
    }
    Anomaly anomaly;
    anomaly.type = "log-pattern";
    constexpr std::size_t kShown = 200;
    anomaly.summary = fmt::format("{}:{}: {}{}", file, line, text.substr(0, kShown),
                                  text.size() > kShown ? " ..." : "");
    anomaly.detail = {{"file", file}, {"line", line}, {"text", found.str(0)}};
    findings_.add(std::move(anomaly));
    return true;
  }

  const ModelOptions& options_;
  const Limits& limits_;
  std::regex pattern_;
  std::size_t files_ = 0, lines_ = 0, matches_ = 0;
  Findings findings_;
};

}  // namespace

CheckResult check_log_file_pattern(const ModelInput& input) { return Search(input).check(); }

}  // namespace gameday::guarantees
