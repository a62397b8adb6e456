#include "harness/run/lab_session.h"

namespace gameday::run {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr double kLongest = 1e6;  // s

Json said(const std::string& text) { return {{"ok", true}, {"text", text}}; }
Json failed(const std::string& error) { return {{"ok", false}, {"error", error}}; }
Json bad(const std::string& error) { return {{"ok", false}, {"bad", true}, {"error", error}}; }

Op nemesis_op(std::string f, Json value) {
  Op op;
  op.process = kNemesis;
  op.f = std::move(f);
  op.value = std::move(value);
  return op;
}

}  // namespace

Result<std::unique_ptr<LabSession>> LabSession::start(LabPlan plan, std::stop_token stop) {
  auto log = Log::create(plan.folder / "gameday.log");
  if (!log) return tl::make_unexpected(log.error());
  auto faults = LineFile::create(plan.folder / "faults.jsonl");
  if (!faults) return tl::make_unexpected(faults.error());
  ClusterOptions options;
  options.nodes = plan.nodes;
  options.folder = plan.folder;
  options.prepare = plan.prepare;
  auto cluster = Cluster::start(*plan.system, options, *log);
  if (!cluster) return tl::make_unexpected(cluster.error());
  if (auto ready = (*cluster)->wait_ready(Clock::now() + plan.system->patience(), std::move(stop)); !ready)
    return tl::make_unexpected(ready.error());
  return std::unique_ptr<LabSession>(new LabSession(std::move(plan), std::move(*cluster),
                                                    std::move(*log), Journal(std::move(*faults))));
}

LabSession::LabSession(LabPlan plan, std::unique_ptr<Cluster> cluster, Log log, Journal journal)
    : plan_(std::move(plan)),
      cluster_(std::move(cluster)),
      log_(std::move(log)),
      journal_(std::move(journal)),
      rng_(plan_.seed) {
  const NemesisPorts ports{cluster_->lab(), [this] { return cluster_->primaries(); },
                           [this](const std::string& node) { return cluster_->wall_clock(node); },
                           plan_.system->membership()};
  std::vector<std::unique_ptr<Nemesis>> nemeses;
  for (const auto& kind : plan_.faults) nemeses.push_back(kind.make(ports));
  driver_ = std::make_unique<NemesisDriver>(std::move(nemeses), journal_, [this] { return now(); });
  log_.write("the cluster is up");
  timekeeper_ = std::jthread([this](const std::stop_token& stop) { keep_time(stop); });
}

LabSession::~LabSession() { (void)close(); }

std::int64_t LabSession::now() const {
  return std::chrono::nanoseconds(Clock::now() - start_).count();
}

Json LabSession::perform(const Json& request) {
  try {
    const std::string what = request.is_object() ? request.value("do", std::string()) : "";
    if (what == "wait") return wait(request);
    const std::lock_guard lock(mutex_);
    if (!driver_) return failed("the lab is being taken down");
    if (what == "inject") return inject(request);
    if (what == "heal") return heal(request);
    if (what == "status") return status();
    if (what == "faults") {
      Json answer = said("");
      answer["faults"] = faults_in_force();
      return answer;
    }
    return bad(fmt::format("the lab does not know \"{}\"", what));
  } catch (const Json::exception& e) {
    return bad(fmt::format("malformed request: {}", e.what()));
  }
}

Json LabSession::inject(const Json& request) {
  const std::string fault = request.value("fault", std::string());
  const double seconds = request.value("for", 0.0);
  if (seconds < 0 || seconds > kLongest)
    return bad(fmt::format("a fault may be in force for 0 to {:g} s, not {:g}", kLongest, seconds));
  const FaultKind* kind = nullptr;
  std::vector<std::string> known, nodes;
  for (const auto& one : plan_.faults) {
    if (one.name == fault) kind = &one;
    known.push_back(one.name);
  }
  if (kind == nullptr)
    return bad(fmt::format("this lab has no fault \"{}\"; it has {}", fault, fmt::join(known, ", ")));
  for (const auto& node : cluster_->nodes()) nodes.push_back(node.name);
  Json parameters = request.value("parameters", Json(nullptr));
  if (parameters.is_null()) parameters = kind->plan(rng_, nodes);
  if (auto valid = plan_.check(fault, parameters); !valid)
    return bad(fmt::format("{}: {}", fault, valid.error().message));
  const int id = next_id_++;
  const Completion done = driver_->perform(
      nemesis_op("inject", {{"id", id}, {"fault", fault}, {"parameters", parameters}}));
  if (!done.error.empty()) return failed(fmt::format("{} {}", fault, done.error));
  const std::string summary = done.value.value("summary", std::string());
  Json answer = said(fmt::format("{}  {}: {}", id, fault, summary));
  answer.update({{"id", id},
                 {"fault", fault},
                 {"summary", summary},
                 {"parameters", parameters},
                 {"description", done.value.value("description", Json::object())}});
  if (seconds > 0) {
    due_[id] = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(seconds));
    answer["for"] = seconds;
    changed_.notify_all();
  }
  log_.write(fmt::format("injected {}  {}: {}", id, fault, summary));
  return answer;
}

Json LabSession::heal(const Json& request) {
  const Json id = request.value("id", Json());
  std::vector<int> ids;
  for (const auto& fault : faults_in_force()) {
    const int one = fault.at("id").get<int>();
    if (id == "all" || id == one) ids.insert(ids.begin(), one);  // the last first
  }
  if (ids.empty() && id != "all")
    return bad(fmt::format("no fault with the number {} is in force", id.dump()));
  Json answer = said(ids.empty() ? "nothing is in force" : "");
  answer["healed"] = Json::array();
  std::string texts, errors;
  for (const int one : ids) {
    const Json healed = heal_now(one);
    answer["healed"].push_back(healed);
    if (healed.contains("error")) errors += (errors.empty() ? "" : "; ") + healed["error"].get<std::string>();
    texts += (texts.empty() ? "" : "\n") + healed.value("text", std::string());
  }
  if (!ids.empty()) answer["text"] = texts;
  if (id == "all")
    if (const auto finished = driver_->heal_all(); !finished && errors.empty())
      errors = finished.error().message;
  if (errors.empty()) return answer;
  answer["ok"] = false;
  answer["error"] = errors;
  return answer;
}

Json LabSession::heal_now(int id) {
  due_.erase(id);
  const Completion done = driver_->perform(nemesis_op("heal", {{"id", id}}));
  const std::string fault = done.value.value("fault", std::string());
  Json healed = {{"id", id}, {"fault", fault}};
  if (done.error.empty()) {
    const bool effective = done.value.value("effective", false);
    healed["effective"] = effective;
    healed["text"] = fmt::format("{}  {} healed{}: {}", id, fault, effective ? "" : " (it had no effect)",
                                 done.value.value("proof", std::string()));
  } else {
    healed["error"] = healed["text"] = fmt::format("{}  {} {}", id, fault, done.error);
  }
  log_.write(healed["text"].get<std::string>());
  healed_[id] = healed;
  changed_.notify_all();
  return healed;
}

Json LabSession::wait(const Json& request) {
  const int id = request.value("id", 0);
  std::unique_lock lock(mutex_);
  if (id < 1 || id >= next_id_) return bad(fmt::format("there was no fault with the number {}", id));
  changed_.wait(lock, [&] { return healed_.contains(id) || !driver_; });
  const auto found = healed_.find(id);
  if (found == healed_.end()) return failed("the lab was taken down");
  const Json& healed = found->second;
  Json answer = healed.contains("error") ? failed(healed["error"]) : said(healed.value("text", ""));
  answer["healed"] = Json::array({healed});
  return answer;
}

Json LabSession::faults_in_force() const {
  Json faults = Json::array();
  for (const auto& record : driver_->records()) {
    if (record.in_force < 0 || record.healed >= 0 || !record.error.empty()) continue;
    Json fault = {{"id", record.id},
                  {"fault", record.fault},
                  {"summary", record.summary},
                  {"parameters", record.parameters},
                  {"description", record.description},
                  {"seconds", static_cast<double>(now() - record.in_force) / 1e9}};
    if (const auto due = due_.find(record.id); due != due_.end())
      fault["seconds-left"] = std::chrono::duration<double>(due->second - Clock::now()).count();
    faults.push_back(std::move(fault));
  }
  return faults;
}

Json LabSession::node_status(const Node& node) {
  auto& lab = cluster_->lab();
  Json json = {{"node", node.name},
               {"address", node.address},
               {"endpoint", endpoint(node)},
               {"state", !lab.alive(node.name) ? "down" : lab.paused(node.name) ? "paused" : "up"},
               {"starts", lab.incarnation(node.name)}};
  if (json["state"] != "up") return json;
  const auto status = plan_.system->status(node, Clock::now() + 300ms);
  json["answers"] = status.has_value();
  if (!status) return json;
  json["primary"] = status->primary;
  if (status->term) json["term"] = *status->term;
  json["status"] = status->raw;
  return json;
}

Json LabSession::status() {
  Json answer = said("");
  answer["folder"] = plan_.folder.string();
  answer["nodes"] = Json::array();
  for (const auto& node : cluster_->nodes()) answer["nodes"].push_back(node_status(node));
  answer["faults"] = faults_in_force();
  return answer;
}

void LabSession::notice_exits() {
  const auto exits = cluster_->lab().unexpected_exits();
  for (; exits_seen_ < exits.size(); ++exits_seen_)
    plan_.notice(fmt::format("{}; its log: {}", describe(exits[exits_seen_]),
                             (cluster_->lab().directory(exits[exits_seen_].node) / "log").string()));
}

// Heals what has been in force for long enough.
void LabSession::keep_time(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    auto next = Clock::now() + 250ms;  // servers may die at any time
    std::vector<int> now_due;
    for (const auto& [id, at] : due_) {
      if (at <= Clock::now()) now_due.push_back(id);
      next = std::min(next, at);
    }
    for (const int id : now_due) plan_.notice(heal_now(id).value("text", ""));
    notice_exits();
    if (now_due.empty()) changed_.wait_until(lock, stop, next, [] { return false; });
  }
}

Status LabSession::close() {
  if (timekeeper_.joinable()) {
    timekeeper_.request_stop();
    timekeeper_.join();
  }
  Status status;
  {
    const std::lock_guard lock(mutex_);
    if (!driver_) return {};
    for (const auto& fault : faults_in_force()) due_[fault.at("id").get<int>()] = {};
    while (!due_.empty()) heal_now(due_.rbegin()->first);
    status = driver_->heal_all();
    if (status) status = cluster_->lab().verify_healed();
    driver_.reset();
    changed_.notify_all();
  }
  cluster_->stop();
  log_.write(status ? "healed, and taken down" : status.error().message);
  return status;
}

}  // namespace gameday::run
