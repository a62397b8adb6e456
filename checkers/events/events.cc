#include "checkers/events/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace gameday {

Events::Events() : Events(std::make_shared<Values>()) {}

Events::Events(std::shared_ptr<Values> values) : values_(std::move(values)), names_{""} {}

void Events::reserve(std::size_t rows) {
  types_.reserve(rows);
  processes_.reserve(rows);
  fs_.reserve(rows);
  values_column_.reserve(rows);
}

namespace {

// A column that is empty until a row has something else than `missing`.
template <typename T>
void add(std::vector<T>& column, T value, T missing, std::size_t rows) {
  if (column.empty()) {
    if (value == missing) return;
    column.reserve(rows + 1);
    column.assign(rows, missing);
  }
  column.push_back(value);
}

template <typename T>
void add_all(std::vector<T>& column, std::vector<T>&& more, T missing, std::size_t rows,
             std::size_t more_rows) {
  if (column.empty() && more.empty()) return;
  if (column.empty()) column.assign(rows, missing);
  if (more.empty()) more.assign(more_rows, missing);
  column.insert(column.end(), more.begin(), more.end());
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

void Events::append_all(Events&& part) {
  const std::size_t n = size(), m = part.size();
  std::vector<Name> name_map(part.names_.size());
  bool same = true;
  for (std::size_t i = 0; i < part.names_.size(); ++i) {
    name_map[i] = name(part.names_[i]);
    same = same && name_map[i] == i;
  }
  if (!same)
    for (auto& f : part.fs_) f = name_map[f];
  std::vector<std::int32_t> process_map;
  for (const auto& p : part.process_names_) process_map.push_back(named_process(p));
  for (std::size_t i = 0; i < process_map.size(); ++i) {
    if (process_map[i] == -1 - static_cast<std::int32_t>(i)) continue;
    for (auto& p : part.processes_)
      if (p < 0) p = process_map[static_cast<std::size_t>(-1 - p)];
    break;
  }
  types_.insert(types_.end(), part.types_.begin(), part.types_.end());
  processes_.insert(processes_.end(), part.processes_.begin(), part.processes_.end());
  fs_.insert(fs_.end(), part.fs_.begin(), part.fs_.end());
  values_column_.insert(values_column_.end(), part.values_column_.begin(),
                        part.values_column_.end());
  add_all<std::int64_t>(times_, std::move(part.times_), -1, n, m);
  add_all<std::int64_t>(indices_, std::move(part.indices_), -1, n, m);
  add_all(extras_, std::move(part.extras_), Value(), n, m);
}

Status Events::pair_up() {
  if (size() > std::size_t{0x7fffffff}) return fail("{} ops are more than can be judged at once", size());
  others_.assign(size(), -1);
  pairs_.clear();
  pairs_.reserve(size() / 2 + 1);
  // Client numbers are small, or grow by the number of clients after each info: a table while it is
  // not much longer than the history, else a map.
  constexpr std::int32_t kIdle = -1;
  const auto dense_limit = static_cast<std::int32_t>(std::min<std::size_t>(4 * size() + 1024, 1u << 30));
  std::vector<std::int32_t> dense;
  std::unordered_map<std::int32_t, std::int32_t> sparse;
  const auto open_of = [&](std::int32_t process) -> std::int32_t& {
    if (process < dense_limit) {
      if (static_cast<std::size_t>(process) >= dense.size())
        dense.resize(std::max<std::size_t>(static_cast<std::size_t>(process) + 1, 2 * dense.size()), kIdle);
      return dense[static_cast<std::size_t>(process)];
    }
    return sparse.try_emplace(process, kIdle).first->second;
  };
  for (std::size_t i = 0; i < size(); ++i) {
    const std::int32_t process = processes_[i];
    if (process < 0) continue;
    std::int32_t& open = open_of(process);
    if (types_[i] == OpType::invoke) {
      if (open != kIdle)
        return fail("process {} invokes again while its call {} is open: {}", process,
                    describe(pairs_[static_cast<std::size_t>(open)].invoke), describe(i));
      open = static_cast<std::int32_t>(pairs_.size());
      pairs_.push_back({static_cast<std::uint32_t>(i), -1, OpType::info});
      continue;
    }
    if (open == kIdle)
      return fail("a completion without an invocation: {}", describe(i));
    Pair& pair = pairs_[static_cast<std::size_t>(open)];
    pair.done = static_cast<std::int32_t>(i);
    pair.outcome = types_[i];
    others_[i] = static_cast<std::int32_t>(pair.invoke);
    others_[pair.invoke] = static_cast<std::int32_t>(i);
    open = kIdle;
  }
  return {};
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
    Events::Row row;
    row.type = history.type(i);
    row.process = history.is_client(i) ? history.process(i) : events.named_process("nemesis");
    row.f = events.name(history.name(history.f(i)));
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
