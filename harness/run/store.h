// One run on disk: store/<test>/<time>/ with test.json, history.jsonl, faults.jsonl, results.json,
// report.html, junit.xml, nodes/<n>/ and gameday.log. Every line is written whole as it happens, so
// that a controller killed at any moment leaves a run that can be checked and reported.
#pragma once

#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "harness/core/json.h"
#include "harness/core/run_record.h"

namespace gameday::run {

// A file of lines, each appended by a single write(2). Thread-safe.
class LineFile {
 public:
  static Result<LineFile> create(const std::filesystem::path& path);
  LineFile(LineFile&& other) noexcept;
  LineFile& operator=(LineFile&& other) = delete;
  ~LineFile();

  Status append(std::string line);  // adds the newline

 private:
  explicit LineFile(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// Makes a fresh folder for a run and points store/<test>/latest and, if it is to be judged,
// store/latest at it.
Result<std::filesystem::path> create_run_folder(const std::filesystem::path& store,
                                                const std::string& test, bool judged = true);

// Replaces a file as a whole (write beside it, rename), so that a reader never sees half of it.
Status write_file(const std::filesystem::path& path, std::string_view content);

// A whole file. A folder, or what cannot be opened, is an Error.
Result<std::string> read_file(const std::filesystem::path& path);

// A folder of a run, or "latest" or a unique part of its name looked up in the store.
Result<std::filesystem::path> find_run(const std::filesystem::path& store, const std::string& name);

// Reads what is there of a run; a missing or damaged history is its RunRecord::damage.
RunRecord load_run(const std::filesystem::path& folder);

// Dumps JSON for a file; bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string dump(const Json& json, int indent = -1);

}  // namespace gameday::run
