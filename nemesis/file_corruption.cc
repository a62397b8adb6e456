// Files of a node that are no longer what it wrote: bits flipped, tails cut off, or an older image in
// their place. The node is killed for it and started on the damaged files, or runs on ("live").
//
// Disks do not heal: when the fault ends the damage stays. A node that finds it and refuses to start is
// right; the Proof says so, and how its log ends. So that a system without repair keeps a majority,
// random schedules always hit the same minority, the last nodes. By hand, all nodes can be hit in
// different places: chunk i of a file on node number i modulo `modulus` only.
//
// A rollback of everything that a node has makes it forget votes and acknowledgements without a trace;
// consensus does not promise to survive that. It is therefore never drawn.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "harness/core/duration.h"
#include "nemesis/entries.h"
#include "nemesis/file_damage.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace file_corruption_fault {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kChangesShown = 32;
constexpr std::uint64_t kChunk = 4096;
constexpr auto kEarlyDeath = std::chrono::seconds(1);  // a server has looked at its files by then

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::vector<std::string> order(nodes.rbegin(), nodes.rend());
  Json parameters = {{"order", order}, {"count", count_of("minority", nodes.size())}};
  parameters["seed"] = rng.below(1'000'000);
  if (rng.chance(0.3)) {
    parameters["style"] = "truncate";
    parameters["bytes"] = rng.between(1, 20'000);
    return parameters;
  }
  parameters["style"] = "flip";
  parameters["chunk"] = std::uint64_t{1024} << rng.below(5);
  if (rng.chance(0.5))
    parameters["flips"] = rng.between(1, 8);
  else
    parameters["probability"] = 1e-4;
  if (rng.chance(0.2)) parameters["live"] = true;
  return parameters;
}

std::string describe(const Json& parameters) {
  const std::string style = parameters.value("style", "flip");
  const std::string files = parameters.contains("glob")
                                ? "files " + parameters["glob"].get<std::string>()
                                : std::string("files");
  const std::string whose = fmt::format("{} of {}", files, describe_targets(parameters));
  const std::string how =
      parameters.value("live", false) ? "while it runs" : "with the node killed and restarted";
  if (style == "truncate")
    return fmt::format("cut {} bytes off {}, {}", parameters.value("bytes", kChunk), whose, how);
  if (style == "rollback")
    return fmt::format("put {} back to what they are now, {}, {}", whose,
                       parameters.contains("after_ms")
                           ? fmt::format("after {} ms", parameters["after_ms"].get<int>())
                           : std::string("at the end"),
                       how);
  if (parameters.contains("probability"))
    return fmt::format("flip bits in {}, in one byte of {:g}, {}", whose,
                       1 / std::max(1e-12, parameters["probability"].get<double>()), how);
  return fmt::format("flip {} bits in each of the {}, {}", parameters.value("flips", 1), whose, how);
}

// The last line that a server wrote.
std::string last_words(const fs::path& log) {
  std::ifstream in(log);
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  return last;
}

class ActiveCorruption : public ActiveFault {
 public:
  ActiveCorruption(lab::Lab& lab, const Json& parameters, std::vector<std::string> targets)
      : lab_(lab),
        style_(parameters.value("style", "flip")),
        glob_(parameters.value("glob", "*")),
        live_(parameters.value("live", false)),
        bytes_(parameters.value("bytes", kChunk)),
        after_(parameters.value("after_ms", 0)),
        by_itself_(parameters.contains("after_ms")),
        seed_(parameters.value("seed", std::uint64_t{0})),
        targets_(std::move(targets)) {
    region_.chunk = parameters.value("chunk", kChunk);
    const std::uint64_t nodes = lab.nodes().size();
    region_.modulus = parameters.value("modulus", style_ == "flip" ? nodes : 1);
    flips_.flips = parameters.value("flips", std::uint64_t{1});
    if (parameters.contains("probability")) flips_.probability = parameters["probability"];
  }

  ~ActiveCorruption() override {
    stop_waiting();
    for (const auto& image : images_) {
      std::error_code ignored;
      fs::remove_all(image.second, ignored);
    }
  }

  Status begin() {
    if (style_ != "rollback") return damage_all();
    for (const auto& node : targets_)
      if (auto taken = take_image(node); !taken) return taken;
    if (by_itself_)
      waiter_ = std::jthread([this](std::stop_token stop) { roll_back_later(stop); });
    return {};
  }

  Json description() const override {
    const std::lock_guard lock(mutex_);
    return Json{{"targets", targets_}, {"style", style_}, {"glob", glob_}, {"live", live_},
                {"modulus", region_.modulus}};
  }

  Result<Proof> heal() override {
    stop_waiting();
    if (style_ == "rollback" && !done_)
      if (auto status = damage_all(); !status) error_ = status.error().message;
    const std::lock_guard lock(mutex_);
    if (!error_.empty()) return fail("{}", error_);
    return proof();
  }

 private:
  std::uint64_t number_of(const std::string& node) const {
    const auto& nodes = lab_.nodes();
    const auto found = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const auto& n) { return n.name == node; });
    return static_cast<std::uint64_t>(found - nodes.begin());
  }

  // A copy of every file as it is now, beside the node's data.
  Status take_image(const std::string& node) {
    const fs::path image = lab_.directory(node) / fmt::format("image-{}", next_image());
    images_[node] = image;
    const fs::path data = lab_.node(node)->data;
    std::error_code error;
    fs::create_directories(image, error);
    std::size_t number = 0;
    for (const auto& file : files_below(data, glob_)) {
      // By number: names may be long, and hold anything.
      const fs::path copy = image / std::to_string(number++);
      std::error_code gone;
      fs::copy_file(data / file, copy, gone);
      if (!gone) image_files_[node].emplace_back(file, copy);
    }
    if (error) return fail("cannot keep an image of {}: {}", node, error.message());
    return {};
  }

  static int next_image() {
    static std::atomic<int> next{0};
    return next++;
  }

  void roll_back_later(const std::stop_token& stop) {
    if (!sleep_for(stop, std::chrono::milliseconds(after_))) return;
    if (auto status = damage_all(); !status) {
      const std::lock_guard guard(mutex_);
      error_ = status.error().message;
    }
  }

  void stop_waiting() {
    if (!waiter_.joinable()) return;
    waiter_.request_stop();
    waiter_.join();
  }

  Status damage_all() {
    done_ = true;
    for (const auto& node : targets_)
      if (auto status = damage(node); !status) return status;
    return {};
  }

  // A node that did not run is hit as well, but left to whoever stopped it.
  Status damage(const std::string& node) {
    const bool restart = !live_ && lab_.alive(node);
    if (restart)
      if (auto killed = lab_.kill(node); !killed && lab_.alive(node))
        return tl::make_unexpected(killed.error());
    const Status damaged = damage_files(node);
    if (restart && !lab_.alive(node))
      if (auto started = lab_.restart(node); !started && !lab_.alive(node)) return started;
    if (restart) {
      const std::lock_guard lock(mutex_);
      restarted_[node] = Clock::now();
    }
    return damaged;
  }

  Status damage_files(const std::string& node) {
    const fs::path data = lab_.node(node)->data;
    Region region = region_;
    region.residue = number_of(node) % region.modulus;
    std::vector<Change> changes;
    Status status;
    if (style_ == "rollback") {
      for (const auto& [file, image] : image_files_[node])
        if (status) status = take_back(data, file, image, region, changes);
    } else {
      for (const auto& file : files_below(data, glob_)) {
        Rng rng = Rng(seed_).fork(node).fork(file);
        if (status)
          status = style_ == "truncate" ? cut_off(data, file, bytes_, changes)
                                        : flip_bits(data, file, region, flips_, rng, changes);
      }
    }
    const std::lock_guard lock(mutex_);
    changes_[node] = std::move(changes);
    return status;
  }

  // How a node fares on its files: it runs, or has ended by itself soon after its start.
  std::string fate(const std::string& node) const {
    const auto restarted = restarted_.find(node);
    if (!live_ && restarted == restarted_.end()) return "was not running";
    if (!live_)
      while (lab_.alive(node) && Clock::now() < restarted->second + kEarlyDeath)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (lab_.alive(node)) return "runs";
    const auto exit = lab_.last_exit(node);
    if (!exit || exit->asked) return "is stopped";
    return fmt::format("refuses to run: {} ({})", lab::describe(*exit),
                       last_words(lab_.directory(node) / "log"));
  }

  Proof proof() {
    Proof proof;
    std::size_t total = 0, shown = 0;
    Json nodes = Json::object();
    std::vector<std::string> parts;
    for (const auto& [node, changes] : changes_) {
      Json list = Json::array();
      std::set<std::string> files;
      std::uint64_t bytes = 0;
      for (const auto& change : changes) {
        files.insert(change.file);
        bytes += change.bytes;
        if (shown == kChangesShown) continue;
        ++shown;
        list.push_back({{"file", change.file}, {"offset", change.offset},
                        {"bytes", change.bytes}, {"what", change.what}});
      }
      total += changes.size();
      nodes[node] = {{"changes", changes.size()}, {"bytes", bytes}, {"first", std::move(list)}};
      if (changes.empty()) continue;
      const std::string ended = fate(node);
      nodes[node]["then"] = ended;
      parts.push_back(fmt::format("{} in {} of {}, which {}", size_words(changes.size(), bytes),
                                  files.size() == 1 ? *files.begin()
                                                    : fmt::format("{} files", files.size()),
                                  node, ended));
    }
    proof.effective = total > 0;
    proof.summary = proof.effective
                        ? fmt::format("{}; the damage stays", join(parts))
                        : fmt::format("no byte of {} of {} was there to be changed", glob_,
                                      join(targets_));
    proof.detail = {{"changes", total}, {"changes_shown", shown}, {"nodes", std::move(nodes)}};
    return proof;
  }

  std::string size_words(std::size_t changes, std::uint64_t bytes) const {
    if (style_ == "flip") return fmt::format("{} bit{} flipped", changes, changes == 1 ? "" : "s");
    return fmt::format("{} bytes {}", bytes, style_ == "truncate" ? "cut off" : "taken back");
  }

  lab::Lab& lab_;
  const std::string style_, glob_;
  const bool live_;
  const std::uint64_t bytes_;
  const int after_;
  const bool by_itself_;  // rolls back before it is healed
  const std::uint64_t seed_;
  Region region_;
  Flips flips_;
  const std::vector<std::string> targets_;
  std::map<std::string, fs::path> images_;
  std::map<std::string, std::vector<std::pair<std::string, fs::path>>> image_files_;
  std::atomic<bool> done_{false};
  mutable std::mutex mutex_;  // for what follows, between the waiter and us
  std::map<std::string, std::vector<Change>> changes_;
  std::map<std::string, Clock::time_point> restarted_;
  std::string error_;
  std::jthread waiter_;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return begun(std::make_unique<ActiveCorruption>(context.lab, parameters, std::move(*targets)));
}

constexpr std::string_view kStyles[]{"flip", "truncate", "rollback"};
constexpr Parameter kParameters[]{
    {.name = "style", .words = kStyles},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "glob", .kind = Parameter::Kind::text},  // of paths below the data directory
    {.name = "chunk", .kind = Parameter::Kind::whole, .least = 1, .most = 1e12},
    {.name = "modulus", .kind = Parameter::Kind::whole, .least = 1, .most = 1000},
    // Of a flip: of each byte, or as many as this in each file.
    {.name = "probability", .kind = Parameter::Kind::number, .least = 0, .most = 1},
    {.name = "flips", .kind = Parameter::Kind::whole, .least = 1, .most = 1e6},
    {.name = "bytes", .kind = Parameter::Kind::whole, .least = 1, .most = 1e12},  // of a truncate
    {.name = "after_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6},  // of a rollback
    {.name = "live", .kind = Parameter::Kind::flag},
    {.name = "seed", .kind = Parameter::Kind::whole, .least = 0, .most = 9e15}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kFileCorruption, context, inject);
}

}  // namespace
}  // namespace file_corruption_fault

constinit const Entry kFileCorruption{
    .name = "file-corruption",
    .summary = "damage files of nodes: flip bits, cut off tails, put older images in their place",
    .plan = file_corruption_fault::plan,
    .describe = file_corruption_fault::describe,
    .parameters = file_corruption_fault::kParameters,
    .make = file_corruption_fault::make,
    .family = "disk"};

}  // namespace gameday::nemesis
