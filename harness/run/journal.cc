#include "harness/run/journal.h"

#include <algorithm>
#include <fstream>
#include <map>

namespace gameday::run {

Status Journal::plan(const std::vector<PlannedFault>& schedule) {
  for (std::size_t i = 0; i < schedule.size(); ++i) {
    Json line = {{"id", i + 1}, {"event", "planned"}};
    line.update(to_json(schedule[i]));
    if (auto written = file_.append(dump(line)); !written) return written;
  }
  return {};
}

Status Journal::write(const FaultRecord& record, std::string_view event, std::int64_t time) {
  Json line = {{"id", record.id}, {"fault", record.fault}, {"event", event}, {"time", time}};
  if (event == "requested" || event == "never-came") {
    line["summary"] = record.summary;
    line["parameters"] = record.parameters;
  } else if (event == "in-force") {
    line["description"] = record.description;
  } else if (event == "healed") {
    line["proof"] = {{"effective", record.proof.effective},
                     {"summary", record.proof.summary},
                     {"detail", record.proof.detail}};
  }
  if (!record.error.empty()) line["error"] = record.error;
  return file_.append(dump(line));
}

namespace {

std::int64_t* slot_of(FaultRecord& record, const std::string& event) {
  if (event == "requested") return &record.requested;
  if (event == "in-force") return &record.in_force;
  if (event == "failed" && record.requested < 0) return &record.requested;  // it was tried
  if (event == "heal-requested") return &record.heal_requested;
  if (event == "healed") return &record.healed;
  return nullptr;
}

void apply(FaultRecord& record, const Json& line) {
  record.fault = line.value("fault", record.fault);
  record.summary = line.value("summary", record.summary);
  record.error = line.value("error", record.error);
  record.parameters = line.value("parameters", record.parameters);
  record.description = line.value("description", record.description);
  if (const auto proof = line.find("proof"); proof != line.end() && proof->is_object()) {
    record.proof.effective = proof->value("effective", false);
    record.proof.summary = proof->value("summary", std::string());
    record.proof.detail = proof->value("detail", Json::object());
  }
  if (std::int64_t* slot = slot_of(record, line.value("event", std::string())))
    *slot = std::clamp<std::int64_t>(line.value("time", std::int64_t{-1}), -1, kMaxTime);
}

}  // namespace

std::vector<FaultRecord> read_faults(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return {};
  std::ifstream in(file);
  std::map<int, FaultRecord> records;
  for (std::string text; std::getline(in, text);) {
    const Json line = parse_json(text);
    if (!line.is_object()) continue;
    try {
      if (line.value("event", std::string()) == "planned") continue;
      const int id = line.value("id", 0);
      FaultRecord& record = records[id];
      record.id = id;
      apply(record, line);
    } catch (const Json::exception&) {
      continue;  // a field of an unexpected type
    }
  }
  std::vector<FaultRecord> out;
  for (auto& [id, record] : records) out.push_back(std::move(record));
  return out;
}

Json read_planned(std::string_view journal) {
  Json schedule = Json::array();
  while (!journal.empty()) {
    const std::size_t end = std::min(journal.find('\n'), journal.size());
    Json line = parse_json(journal.substr(0, end));
    journal.remove_prefix(std::min(end + 1, journal.size()));
    if (!line.is_object() || !line.contains("event") || line["event"] != "planned") continue;
    line.erase("id");
    line.erase("event");
    schedule.push_back(std::move(line));
  }
  return schedule;
}

}  // namespace gameday::run
