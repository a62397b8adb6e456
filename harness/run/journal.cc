#include "harness/run/journal.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>

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

struct Read {
  std::map<int, FaultRecord> records;
  std::set<int> planned;
  std::vector<std::size_t> bad;  // numbers of lines, from 1
  std::size_t lines = 0;
};

Read read(const std::filesystem::path& file) {
  Read result;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return result;
  std::ifstream in(file);
  for (std::string text; std::getline(in, text);) {
    ++result.lines;
    const Json line = parse_json(text);
    try {
      if (!line.is_object()) throw std::invalid_argument("no object");
      const int id = line.value("id", 0);
      if (line.value("event", std::string()) == "planned") {
        result.planned.insert(id);
        continue;
      }
      FaultRecord record = result.records[id];
      record.id = id;
      apply(record, line);
      result.records[id] = std::move(record);
    } catch (const std::exception&) {  // a field of an unexpected type
      result.bad.push_back(result.lines);
    }
  }
  return result;
}

// Of what was read of the run with this history.
std::string damage_of(const Read& journal, const History& history) {
  const Json end = heal_all(history);
  // A controller that was killed may have left half a line, and faults without an end.
  if (!journal.bad.empty() && (!end.is_null() || journal.bad.front() < journal.lines))
    return fmt::format("line {} cannot be read", journal.bad.front());
  if (end.is_null()) return {};
  for (const auto& [id, record] : journal.records)
    if (record.in_force >= 0 && record.healed < 0 && record.error.empty())
      return fmt::format("fault {} ({}) has no end, although everything was healed", id, record.fault);
  // A run that was ended early does not come to all that it had planned.
  const bool whole = end.value("interrupted", Json()) == false && !end.contains("fail-fast");
  const auto without = std::count_if(journal.planned.begin(), journal.planned.end(), [&](int id) {
    return !journal.records.contains(id);
  });
  if (whole && without > 0)
    return fmt::format("{} of {} planned faults have no record", without, journal.planned.size());
  return {};
}

}  // namespace

Json heal_all(const History& history) {
  const History::Name name = history.find_name("heal-all");
  for (std::size_t i = 0; name != History::kNoName && i < history.size(); ++i)
    if (!history.is_client(i) && history.f(i) == name && history.value(i).is_object())
      return history.value(i);
  return nullptr;
}

FaultJournal read_journal(const std::filesystem::path& file, const History& history) {
  Read lines = read(file);
  FaultJournal journal{{}, damage_of(lines, history)};
  for (auto& [id, record] : lines.records) journal.records.push_back(std::move(record));
  return journal;
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
