#include <algorithm>

#include "harness/cli/commands.h"
#include "harness/cli/lab_command.h"
#include "harness/cli/lab_words.h"
#include "harness/core/verdict.h"
#include "harness/run/lab_socket.h"
#include "harness/run/store.h"

namespace gameday::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSocket = "socket";

// The newest lab of this store that lives; the Error is that of the newest at all.
Result<run::LabCaller> call_newest(const fs::path& store) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(store / "lab", ignored))
    if (entry.is_directory(ignored) && !entry.is_symlink(ignored)) folders.push_back(entry.path());
  std::sort(folders.rbegin(), folders.rend());  // their names are times
  if (folders.empty())
    return fail("there is no lab in {}: start one with `gameday lab SYSTEM`, or say which with --lab "
                "or --store", store.string());
  Result<run::LabCaller> first = run::LabCaller::connect(folders.front() / kSocket);
  for (const auto& folder : folders) {
    if (first) break;
    if (auto other = run::LabCaller::connect(folder / kSocket)) return other;
  }
  return first;
}

Result<run::LabCaller> call(const InjectOptions& o) {
  if (o.lab == "latest") return call_newest(o.store);
  std::error_code ignored;
  return run::LabCaller::connect(fs::is_directory(o.lab, ignored) ? fs::path(o.lab) / kSocket
                                                                  : fs::path(o.lab));
}

Result<Json> request_of(const InjectOptions& o) {
  if (static_cast<int>(!o.words.empty()) + static_cast<int>(!o.heal.empty()) + static_cast<int>(o.list) != 1)
    return fail("one of FAULT, --heal and --list; `gameday inject --help` has examples");
  if (o.list) return Json{{"do", "faults"}};
  if (!o.heal.empty()) return heal_request(o.heal);
  auto request = inject_request(o.words);
  if (request && o.seconds > 0) (*request)["for"] = o.seconds;
  return request;
}

int present(const InjectOptions& o, const Json& answer) {
  if (o.json) {
    fmt::print("{}\n", run::dump(answer));
    std::fflush(stdout);
    return answer.value("ok", false)      ? exit_code::valid
           : answer.value("bad", false) ? exit_code::bad_arguments
                                          : exit_code::tool_failed;
  }
  if (o.list && answer.value("ok", false)) {
    fmt::print("{}", describe_faults(answer.at("faults")));
    return flushed();
  }
  const int code = print_answer(answer);
  std::fflush(stdout);
  return code;
}

}  // namespace

int inject_command(const InjectOptions& options) {
  const auto request = request_of(options);
  if (!request) return complain(exit_code::bad_arguments, request.error().message);
  auto lab = call(options);
  if (!lab) return complain(exit_code::bad_arguments, lab.error().message);
  auto answer = lab->ask(*request);
  if (!answer) return complain(exit_code::tool_failed, answer.error().message);
  const int code = present(options, *answer);
  if (code != 0 || !request->contains("for")) return code;
  // It heals itself also when nobody waits for it.
  answer = lab->ask({{"do", "wait"}, {"id", answer->at("id")}});
  if (!answer) return complain(exit_code::tool_failed, answer.error().message);
  return present(options, *answer);
}

}  // namespace gameday::cli
