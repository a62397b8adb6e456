#include "harness/core/history.h"

#include <fstream>
#include <limits>

namespace gameday {
namespace {

const std::string kEmpty;

Result<Op> parse_op(const Json& j) {
  if (!j.is_object()) return fail("expected an object, one op");
  Op op;
  const auto process = j.find("process");
  if (process == j.end()) return fail("\"process\" is missing");
  if (process->is_number_integer()) {
    const auto number = process->get<std::int64_t>();
    if (number < 0 || number > std::numeric_limits<Process>::max())
      return fail("\"process\" {} is out of range", number);
    op.process = static_cast<Process>(number);
  } else if (process->is_string()) {
    op.process = kNemesis;
  } else {
    return fail("\"process\" must be an integer or \"nemesis\"");
  }
  const auto type = j.find("type");
  if (type == j.end() || !type->is_string()) return fail("\"type\" must be a string");
  const auto parsed = parse_op_type(type->get_ref<const std::string&>());
  if (!parsed) return fail("\"type\" must be invoke, ok, fail or info, not {}", type->dump());
  op.type = *parsed;
  const auto f = j.find("f");
  if (f == j.end() || !f->is_string()) return fail("\"f\" must be a string");
  op.f = f->get<std::string>();
  if (const auto time = j.find("time"); time != j.end()) {
    const double ns = time->is_number() ? time->get<double>() : -1;
    if (!(ns >= 0 && ns <= static_cast<double>(kMaxTime)))
      return fail("\"time\" must be a number of ns from 0 to {}, not {}", kMaxTime, time->dump());
    op.time = time->is_number_float() ? static_cast<std::int64_t>(ns) : time->get<std::int64_t>();
  }
  if (const auto value = j.find("value"); value != j.end()) op.value = *value;
  if (const auto node = j.find("node"); node != j.end() && node->is_string())
    op.node = node->get<std::string>();
  if (const auto error = j.find("error"); error != j.end() && !error->is_null())
    op.error = error->is_string() ? error->get<std::string>() : error->dump();
  return op;
}

}  // namespace

History::History() { intern(""); }

History::Name History::intern(const std::string& text) {
  const auto [it, added] = name_ids_.try_emplace(text, static_cast<Name>(names_.size()));
  if (added) names_.push_back(text);
  return it->second;
}

History::Name History::find_name(std::string_view text) const {
  const auto it = name_ids_.find(std::string(text));
  return it == name_ids_.end() ? kNoName : it->second;
}

bool History::has_f(std::string_view f) const {
  const Name id = find_name(f);
  return id != kNoName && invoked_fs_.contains(id);
}

const std::string& History::error(std::size_t i) const {
  const auto it = errors_.find(i);
  return it == errors_.end() ? kEmpty : it->second;
}

Status History::append(const Op& op) {
  const std::size_t i = size();
  std::int64_t pair = -1;
  if (op.process >= 0) {
    const auto open = open_.find(op.process);
    if (op.type == OpType::invoke) {
      if (open != open_.end())
        return fail("process {} invokes {} while its {} (index {}) is open", op.process, op.f,
                    names_[fs_[open->second]], open->second);
      open_[op.process] = i;
    } else {
      if (open == open_.end())
        return fail("process {} completes {} ({}) without an invocation", op.process, op.f,
                    to_string(op.type));
      if (names_[fs_[open->second]] != op.f)
        return fail("process {} completes {} but had invoked {} (index {})", op.process, op.f,
                    names_[fs_[open->second]], open->second);
      pair = static_cast<std::int64_t>(open->second);
      pairs_[open->second] = static_cast<std::int64_t>(i);
      open_.erase(open);
    }
  }
  if (names_.size() + 2 >= kNoName) return fail("more than 65,000 different functions and nodes");
  times_.push_back(op.time);
  processes_.push_back(op.process);
  types_.push_back(op.type);
  fs_.push_back(intern(op.f));
  nodes_.push_back(intern(op.node));
  values_.push_back(op.value);
  pairs_.push_back(pair);
  if (!op.error.empty()) errors_.emplace(i, op.error);
  if (op.process >= 0 && op.type == OpType::invoke) invoked_fs_[fs_.back()] = true;
  return {};
}

Op History::op(std::size_t i) const {
  Op op;
  op.index = static_cast<std::int64_t>(i);
  op.time = times_[i];
  op.process = processes_[i];
  op.type = types_[i];
  op.f = names_[fs_[i]];
  op.value = values_[i];
  op.node = names_[nodes_[i]];
  op.error = error(i);
  return op;
}

namespace {

Status read_line(const std::string& line, History& history) {
  const Json j = parse_json(line);
  if (j.is_discarded())
    return fail("not JSON (or nested deeper than 200); expected one op as a JSON object");
  const auto op = parse_op(j);
  if (!op) return tl::make_unexpected(op.error());
  return history.append(*op);
}

Result<History> whole(ReadHistory read) {
  if (!read.damage.empty() && !read.half_line) return fail("{}", read.damage);
  return std::move(read.history);
}

}  // namespace

ReadHistory read_what_is_there(std::istream& in) {
  ReadHistory read;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const bool complete = !in.eof();  // the recorder ends every line with a newline
    if (const auto added = read_line(line, read.history); !added) {
      read.half_line = !complete && parse_json(line).is_discarded();
      read.damage = read.half_line
                        ? fmt::format("line {} has no end: the recorder was killed in its middle", number)
                        : fmt::format("line {}: {}", number, added.error().message);
      return read;
    }
  }
  if (in.bad()) read.damage = "it cannot be read to its end";
  return read;
}

ReadHistory read_what_is_there(const std::filesystem::path& file) {
  std::error_code ignored;
  std::ifstream in(file);
  if (!in || !std::filesystem::is_regular_file(file, ignored))
    return {{}, "it cannot be opened as a file"};
  return read_what_is_there(in);
}

Result<History> read_history(std::istream& in) { return whole(read_what_is_there(in)); }

Result<History> read_history(const std::filesystem::path& file) {
  auto history = whole(read_what_is_there(file));
  if (!history) return fail("{}: {}", file.string(), history.error().message);
  return history;
}

}  // namespace gameday
