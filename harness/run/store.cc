#include "harness/run/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>

#include "harness/run/journal.h"

namespace gameday::run {
namespace fs = std::filesystem;

Result<LineFile> LineFile::create(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return fail_errno("cannot create " + path.string());
  return LineFile(fd);
}

LineFile::LineFile(LineFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

LineFile::~LineFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status LineFile::append(std::string line) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("cannot write to the run's folder");
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

namespace {

std::string timestamp(std::chrono::system_clock::time_point when) {
  const std::time_t t = std::chrono::system_clock::to_time_t(when);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count() % 1000;
  std::tm tm{};
  gmtime_r(&t, &tm);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
}

// Replaces a symbolic link in one step; another run may do the same at the same time.
void point_link(const fs::path& link, const fs::path& target) {
  std::error_code ignored;
  const fs::path fresh = link.string() + fmt::format(".{}", target.filename().string());
  fs::remove(fresh, ignored);
  fs::create_symlink(target, fresh, ignored);
  fs::rename(fresh, link, ignored);
}

}  // namespace

Result<fs::path> create_run_folder(const fs::path& store, const std::string& test,
                                   bool judged) {
  std::error_code error;
  const fs::path parent = store / test;
  fs::create_directories(parent, error);
  if (error)
    return fail("cannot create {}: {}; choose another place with --store", parent.string(),
                error.message());
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::string name = timestamp(std::chrono::system_clock::now());
    const fs::path folder = parent / name;
    // create_directory is atomic: two runs in the same millisecond get different folders.
    if (fs::create_directory(folder, error)) {
      point_link(parent / "latest", name);
      if (judged) point_link(store / "latest", fs::path(test) / name);
      return fs::canonical(folder, error);
    }
    if (error)
      return fail("cannot create {}: {}; choose another place with --store", folder.string(),
                  error.message());
    ::usleep(1000);
  }
  return fail("cannot find a free name for the run in {}", parent.string());
}

Result<std::string> read_file(const fs::path& path) {
  std::error_code ignored;
  std::ifstream in(path, std::ios::binary);
  if (!in || !fs::is_regular_file(path, ignored)) return fail("cannot read {}", path.string());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Status write_file(const fs::path& path, std::string_view content) {
  const fs::path fresh = path.string() + ".new";
  {
    std::ofstream out(fresh, std::ios::binary);
    out << content;
    out.flush();
    if (!out) {
      std::error_code ignored;
      fs::remove(fresh, ignored);
      return fail("cannot write {}", path.string());
    }
  }
  std::error_code error;
  fs::rename(fresh, path, error);
  if (error) return fail("cannot write {}: {}", path.string(), error.message());
  return {};
}

Result<fs::path> find_run(const fs::path& store, const std::string& name) {
  for (const fs::path& candidate : {fs::path(name), store / name}) {
    std::error_code ignored;
    if (fs::exists(candidate / "test.json", ignored) ||
        fs::exists(candidate / "history.jsonl", ignored))
      return fs::canonical(candidate.empty() ? "." : candidate, ignored);
  }
  return fail("there is no run {} (a run's folder, or a name below {}, such as \"latest\")", name,
              store.string());
}

namespace {

constexpr std::size_t kMaxNodesRead = 64;  // a lab has no more; a damaged file may

Result<Json> read_json(const fs::path& path) {
  const auto text = read_file(path);
  if (!text) return tl::make_unexpected(text.error());
  Json j = parse_json(*text);
  if (j.is_discarded()) return fail("{} is not valid JSON", path.string());
  return j;
}

}  // namespace

RunRecord load_run(const fs::path& folder) {
  RunRecord record;
  record.folder = folder;
  std::error_code ignored;
  if (auto test = read_json(folder / "test.json"); test && test->is_object())
    record.test = std::move(*test);
  else if (fs::exists(folder / "test.json", ignored))
    record.faults_damage = "test.json is not a JSON object";
  auto history = read_what_is_there(folder / "history.jsonl");
  record.history = std::move(history.history);
  if (!history.damage.empty()) record.damage = "history.jsonl: " + history.damage;
  auto journal = read_journal(folder / "faults.jsonl", record.history);
  record.faults = std::move(journal.records);
  if (!journal.damage.empty()) record.faults_damage = "faults.jsonl: " + journal.damage;
  if (auto results = read_json(folder / "results.json"); results && results->is_object())
    record.results = std::move(*results);
  if (const auto nodes = record.test.find("nodes"); nodes != record.test.end() && nodes->is_array())
    for (const auto& node : *nodes)
      if (node.is_string() && record.nodes.size() < kMaxNodesRead)
        record.nodes.push_back(node.get<std::string>());
  return record;
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace gameday::run
