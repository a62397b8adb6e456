#include "checkers/events/events.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkers/events/assembly.h"

namespace gameday {

Events::Events() : Events(std::make_shared<Values>()) {}

Events::Events(std::shared_ptr<Values> values) : values_(std::move(values)), names_{""} {}

void Events::reserve(std::size_t rows) {
  types_.reserve(rows);
  processes_.reserve(rows);
  fs_.reserve(rows);
  values_column_.reserve(rows);
  if (!times_.empty()) times_.reserve(rows);
  if (!indices_.empty()) indices_.reserve(rows);
  if (!extras_.empty()) extras_.reserve(rows);
  if (!others_.empty()) {
    others_.reserve(rows);
    pairs_.reserve(rows / 2 + 1);
  }
}

namespace {

// A column that is empty until a row has something else than `missing`.
template <typename T>
void add(Column<T>& column, T value, T missing, std::size_t rows) {
  if (column.empty()) {
    if (value == missing) return;
    column.reserve(rows + 1);
    column.assign(rows, missing);
  }
  column.push_back(value);
}

// Behind `rows` rows those of another column, which may be empty too.
template <typename T>
void add_all(Column<T>& column, const Column<T>& more, T missing, std::size_t rows,
             std::size_t more_rows) {
  if (column.empty() && more.empty()) return;
  if (column.empty()) column.assign(rows, missing);
  if (more.empty()) {
    column.resize(rows + more_rows, missing);
  } else {
    column.insert(column.end(), more.begin(), more.end());
  }
}

}  // namespace

void Events::append(const Row& row) {
  const std::size_t n = size();
  types_.push_back(row.type);
  processes_.push_back(row.process);
  fs_.push_back(row.f);
  values_column_.push_back(row.value);
  add<std::int64_t>(times_, row.time, -1, n);
  add<std::int64_t>(indices_, row.index, -1, n);
  add(extras_, row.extra, Value(), n);
}

void Events::append_all(const Events& part) {
  const std::size_t n = size(), m = part.size();
  const auto add_column = [](auto& column, const auto& more) {
    column.insert(column.end(), more.begin(), more.end());
  };
  add_column(types_, part.types_);
  add_column(processes_, part.processes_);
  add_column(fs_, part.fs_);
  add_column(values_column_, part.values_column_);
  add_all<std::int64_t>(times_, part.times_, -1, n, m);
  // Rows that are numbered by their position need no column of it.
  bool by_position = indices_.empty();
  for (std::size_t i = 0; by_position && i < part.indices_.size(); ++i)
    by_position = part.indices_[i] == static_cast<std::int64_t>(n + i);
  if (!by_position) add_all<std::int64_t>(indices_, part.indices_, -1, n, m);
  add_all(extras_, part.extras_, Value(), n, m);
  // The part may have numbered the names otherwise.
  std::vector<Name> name_map(part.names_.size());
  bool same = true;
  for (std::size_t i = 0; i < part.names_.size(); ++i) {
    name_map[i] = name(part.names_[i]);
    same = same && name_map[i] == i;
  }
  if (!same)
    for (std::size_t i = n; i < n + m; ++i) fs_[i] = name_map[fs_[i]];
  std::vector<std::int32_t> process_map;
  for (const auto& p : part.process_names_) process_map.push_back(named_process(p));
  for (std::size_t i = 0; i < process_map.size(); ++i) {
    if (process_map[i] == -1 - static_cast<std::int32_t>(i)) continue;
    for (std::size_t j = n; j < n + m; ++j) {
      std::int32_t& p = processes_[j];
      if (p < 0 && p != kUnnamed) p = process_map[static_cast<std::size_t>(-1 - p)];
    }
    break;
  }
}

void Events::clear_rows() {
  types_.clear();
  processes_.clear();
  fs_.clear();
  values_column_.clear();
  times_.clear();
  indices_.clear();
  extras_.clear();
  others_.clear();
  pairs_.clear();
}

Status Events::pair_up() {
  others_.clear();
  pairs_.clear();
  pairs_.reserve(size() / 2 + 1);
  return Pairing(*this).more();
}

Events::Name Events::name(std::string_view f) {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == f) return static_cast<Name>(i);
  if (names_.size() >= kNoName) throw std::length_error("more than 65534 different functions :f");
  names_.emplace_back(f);
  return static_cast<Name>(names_.size() - 1);
}

Events::Name Events::find_name(std::string_view f) const {
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == f) return static_cast<Name>(i);
  return kNoName;
}

std::int32_t Events::named_process(std::string_view name) {
  const auto known = std::find(process_names_.begin(), process_names_.end(), name);
  if (known != process_names_.end()) return -1 - static_cast<std::int32_t>(known - process_names_.begin());
  process_names_.emplace_back(name);
  return -static_cast<std::int32_t>(process_names_.size());
}

std::string Events::process_name(std::int32_t process) const {
  return process >= 0 ? std::to_string(process)
                      : process_names_[static_cast<std::size_t>(-1 - process)];
}

Events Events::part() const {
  Events part(values_);
  part.names_ = names_;
  part.process_names_ = process_names_;
  part.exact_answers_ = exact_answers_;
  return part;
}

std::string Events::describe(std::size_t i) const {
  std::string text = fmt::format("{{:process {}{}, :type :{}", is_client(i) ? "" : ":",
                                 process_name(processes_[i]), to_string(types_[i]));
  if (fs_[i] != 0) text += fmt::format(", :f :{}", names_[fs_[i]]);
  std::string value = values_->edn(values_column_[i]);
  if (value.size() > 400) value = value.substr(0, 397) + "...";
  return text + fmt::format(", :value {}, :index {}}}", value, index(i));
}

std::size_t Events::bytes() const {
  return size() * (sizeof(OpType) + sizeof(std::int32_t) * 2 + sizeof(Name) + sizeof(Value)) +
         (times_.size() + indices_.size() + extras_.size()) * 8 + pairs_.size() * sizeof(Pair) +
         values_->bytes();
}

Events to_events(const History& history) {
  Events events;
  events.reserve(history.size());
  auto& writer = events.mutable_values().writer();
  for (std::size_t i = 0; i < history.size(); ++i) {
    const std::string& f = history.name(history.f(i));
    if (f == "status" || f == "final-status") continue;
    Events::Row row;
    row.index = static_cast<std::int64_t>(i);
    row.type = history.type(i);
    row.process = history.is_client(i) ? history.process(i) : events.named_process("nemesis");
    row.f = events.name(f);
    row.value = writer.from_json(history.value(i));
    row.time = history.time(i);
    std::vector<Value> extra;
    if (const auto& node = history.name(history.node(i)); !node.empty())
      extra.insert(extra.end(), {writer.keyword("node"), writer.string(node)});
    if (const auto& error = history.error(i); !error.empty())
      extra.insert(extra.end(), {writer.keyword("error"), writer.string(error)});
    if (!extra.empty()) row.extra = writer.collection(Value::Kind::map, extra);
    events.append(row);
  }
  if (auto paired = events.pair_up(); !paired) throw std::logic_error(paired.error().message);
  return events;
}

Result<History> to_history(const Events& events) {
  History history;
  const Values& values = events.values();
  for (std::size_t i = 0; i < events.size(); ++i) {
    Op op;
    op.time = std::min(events.time(i), kMaxTime);
    op.process = events.is_client(i) ? events.process(i) : kNemesis;
    op.type = events.type(i);
    op.f = events.name_text(events.f(i));
    op.value = values.json(events.value(i));
    const auto text = [&](std::string_view key) {
      const Value v = values.get(events.extra(i), key);
      return v.is_nil() ? std::string() : v.is_text() ? std::string(values.text(v)) : values.edn(v);
    };
    op.node = text("node");
    op.error = text("error");
    if (auto added = history.append(op); !added) return tl::make_unexpected(added.error());
  }
  return history;
}

}  // namespace gameday
