#include "harness/run/log.h"

namespace gameday::run {

Result<Log> Log::create(const std::filesystem::path& path) {
  auto file = LineFile::create(path);
  if (!file) return tl::make_unexpected(file.error());
  return Log(std::move(*file));
}

void Log::write(const std::string& text) {
  const double elapsed =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  (void)file_->append(fmt::format("{:9.3f} s  {}", elapsed, text));
}

}  // namespace gameday::run
