#include "harness/run/nemesis_driver.h"

#include "harness/core/finisher.h"

namespace gameday::run {
namespace {

// How long the end of a run waits for an injection or a heal that still goes on.
constexpr std::chrono::seconds kPatience{10};

}  // namespace

NemesisDriver::NemesisDriver(std::vector<std::unique_ptr<Nemesis>> nemeses, Journal& journal,
                             std::function<std::int64_t()> now)
    : journal_(journal), now_(std::move(now)) {
  for (auto& nemesis : nemeses) {
    const std::string name(nemesis->name());
    nemeses_.emplace(name, std::move(nemesis));
  }
}

NemesisDriver::~NemesisDriver() { (void)heal_all(); }

Completion NemesisDriver::perform(const Op& op) {
  const std::unique_lock lock(busy_, kPatience);
  if (!lock) return {OpType::info, nullptr, "the nemesis still does something else"};
  if (op.f == "inject") return inject(op);
  if (op.f == "heal") return heal(op.value.value("id", 0));
  return {OpType::info, nullptr, "the nemesis does not know " + op.f};
}

Completion NemesisDriver::inject(const Op& op) {
  FaultRecord record;
  record.id = op.value.value("id", 0);
  record.fault = op.value.value("fault", std::string());
  record.parameters = op.value.value("parameters", Json::object());
  record.requested = now_();
  const auto nemesis = nemeses_.find(record.fault);
  if (nemesis == nemeses_.end()) {
    record.error = "there is no such fault in this run";
    journal(record, "failed");
    publish(record, false);
    return {OpType::info, nullptr, record.error};
  }
  auto fault = try_inject(*nemesis->second, record);
  if (!fault) {
    record.error = "could not be injected: " + fault.error().message;
    record.proof.summary = record.error;
    journal(record, "failed");
    publish(record, false);
    return {OpType::info, {{"id", record.id}, {"fault", record.fault}}, record.error};
  }
  record.in_force = now_();
  record.description = (*fault)->description();
  journal(record, "in-force");
  publish(record, true);
  Json value = {{"id", record.id},
                {"fault", record.fault},
                {"summary", record.summary},
                {"description", record.description}};
  active_[record.id] = {std::move(record), std::move(*fault)};
  return {OpType::info, std::move(value), ""};
}

// Journals before it injects, whatever the nemesis does then.
Result<std::unique_ptr<ActiveFault>> NemesisDriver::try_inject(Nemesis& nemesis,
                                                               FaultRecord& record) {
  try {
    record.summary = nemesis.describe(record.parameters);
    journal(record, "requested");
    return nemesis.inject(record.parameters);
  } catch (const std::exception& e) {
    return fail("{}", e.what());
  }
}

Completion NemesisDriver::heal(int id) {
  const auto active = active_.find(id);
  if (active == active_.end()) return {OpType::info, {{"id", id}}, "not in force"};
  FaultRecord record = std::move(active->second.record);
  const std::unique_ptr<ActiveFault> fault = std::move(active->second.fault);
  active_.erase(active);
  record.heal_requested = now_();
  journal(record, "heal-requested");
  auto proof = try_heal(*fault);
  if (!proof) {
    record.error = "could not be healed: " + proof.error().message;
    record.proof.summary = record.error;
    if (first_error_.empty()) first_error_ = record.fault + " " + record.error;
    journal(record, "failed");
    publish(record, false);
    return {OpType::info, {{"id", id}, {"fault", record.fault}}, record.error};
  }
  record.healed = now_();
  record.proof = std::move(*proof);
  journal(record, "healed");
  publish(record, false);
  return {OpType::info,
          {{"id", id},
           {"fault", record.fault},
           {"effective", record.proof.effective},
           {"proof", record.proof.summary}},
          ""};
}

Result<Proof> NemesisDriver::try_heal(ActiveFault& fault) {
  try {
    return fault.heal();
  } catch (const std::exception& e) {
    return fail("{}", e.what());
  }
}

Status NemesisDriver::heal_all() {
  const std::unique_lock lock(busy_, kPatience);
  if (!lock) return fail("an injection or a heal does not come to its end");
  while (!active_.empty()) heal(active_.rbegin()->first);
  for (const auto& [name, nemesis] : nemeses_) {
    auto* finisher = dynamic_cast<Finisher*>(nemesis.get());
    if (finisher == nullptr) continue;
    if (const auto finished = finisher->finish(); !finished && first_error_.empty())
      first_error_ = fmt::format("{}: {}", name, finished.error().message);
  }
  if (!first_error_.empty()) return fail("{}", first_error_);
  return {};
}

void NemesisDriver::never_came(const std::vector<PlannedFault>& schedule) {
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    FaultRecord record;
    record.id = static_cast<int>(i) + 1;
    {
      const std::lock_guard lock(mutex_);
      if (records_.contains(record.id)) continue;
    }
    record.fault = schedule[i].fault;
    record.parameters = schedule[i].parameters;
    if (const auto nemesis = nemeses_.find(record.fault); nemesis != nemeses_.end())
      record.summary = nemesis->second->describe(record.parameters);
    record.error = "its moment never came: " + describe(schedule[i].when);
    journal(record, "never-came");
    publish(record, false);
  }
}

void NemesisDriver::journal(const FaultRecord& record, std::string_view event) {
  // A journal that cannot be written stops the run at the next recorded op (same disk); the fault
  // itself must still be healed, so this is not the place to fail.
  (void)journal_.write(record, event, now_());
}

void NemesisDriver::publish(const FaultRecord& record, bool in_force) {
  const std::lock_guard lock(mutex_);
  records_[record.id] = record;
  if (in_force) {
    in_force_[record.id] = record.fault;
  } else {
    in_force_.erase(record.id);
  }
}

std::vector<std::string> NemesisDriver::in_force() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [id, name] : in_force_) names.push_back(name);
  return names;
}

std::vector<FaultRecord> NemesisDriver::records() const {
  const std::lock_guard lock(mutex_);
  std::vector<FaultRecord> out;
  for (const auto& [id, record] : records_) out.push_back(record);
  return out;
}

}  // namespace gameday::run
