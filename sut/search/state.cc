#include "sut/search/state.h"

#include <algorithm>
#include <limits>

namespace gameday::search {
namespace {

Json parse(const std::string& text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// Integers wrap around like machine words, so that every node agrees; anything else adds doubles,
// and stops at the largest: JSON has no infinity, and readers would see null where a condition sees
// something else. What is not a number counts as absent.
Json incremented(const Json& old, const Json& by) {
  if (!old.is_number()) return by;
  if (old.is_number_integer() && by.is_number_integer()) {
    const auto sum = static_cast<std::uint64_t>(old.get<std::int64_t>()) +
                     static_cast<std::uint64_t>(by.get<std::int64_t>());
    return static_cast<std::int64_t>(sum);
  }
  using Limits = std::numeric_limits<double>;
  return std::clamp(old.get<double>() + by.get<double>(), Limits::lowest(), Limits::max());
}

bool is_operation(const Json& value, std::string_view name) {
  if (!value.is_object()) return false;
  const auto operation = value.find("_operation");
  return operation != value.end() && operation->is_string() &&
         operation->get_ref<const std::string&>() == name && value.contains("value");
}

// Merges one attribute of a partial update. The effect of an append is the element and its place,
// not the whole list, so that a long list stays cheap.
void merge(Json& document, const std::string& attribute, const Json& value, Hasher& effect) {
  effect.add(attribute);
  Json& target = document[attribute];
  if (is_operation(value, "Append")) {
    if (!target.is_array()) target = Json::array();
    target.push_back(value["value"]);
    effect.add(static_cast<std::uint64_t>(target.size())).add(target.back().dump());
    return;
  }
  if (is_operation(value, "Increment")) {
    target = incremented(target, value["value"]);
  } else {
    target = value;
  }
  effect.add(target.dump());
}

}  // namespace

void State::apply(JobId id, const Job& job, Touched* touched) {
  Hasher effect(hash_);
  effect.add(id);
  // The safety net: a leader gives a known key no second job, but leaders change.
  bool is_new = true;
  JobId first = id;
  if (!job.key.empty()) {
    const auto [known, added] = keys_.emplace(job.key, id);
    is_new = added;
    first = known->second;
  }
  // BUG 26 retry-applied-twice, BUG 27 dedup-table-per-host: known keys run again.
  if (known_keys_run_again_) is_new = true;
  if (!is_new) {
    const AppliedJob* earlier = this->job(first);
    const bool met = earlier != nullptr && earlier->condition_met;
    jobs_.push_back({.job = id, .hash = search::hash(job), .key = {}, .condition_met = met});
    hash_ = effect.add("duplicate").add(job.key).value();
    return;
  }
  const std::uint64_t content = search::hash(job);
  const bool met = !expired(job) && (!job.condition || holds(job));
  effect.add(content).add(static_cast<std::uint64_t>(met));
  if (met) {
    switch (job.action) {
      case Action::put:
        put(job, touched);
        break;
      case Action::partial:
        partial(job, touched, effect);
        break;
      case Action::remove:
        if (const auto found = indexes_.find(job.index); found != indexes_.end()) {
          effect.add(static_cast<std::uint64_t>(found->second.erase(job.object)));
        }
        if (touched != nullptr) touched->emplace(job.index, job.object);
        break;
      case Action::clear:
        clear(job.index, touched);
        break;
      case Action::move:
      case Action::copy:
        move_or_copy(job, touched);
        break;
    }
  }
  jobs_.push_back({.job = id, .hash = content, .key = job.key, .condition_met = met});
  hash_ = effect.value();
}

bool State::expired(const Job& job) const {
  // BUG 38 apply-depends-on-local-clock: every node asks its own.
  const std::uint64_t now = own_clock_decides_ ? wall_clock_ms() : job.placed_ms;
  return job.expires_ms != 0 && now > job.expires_ms;
}

bool State::holds(const Job& job) const {
  const Json expected = parse(job.condition->equals);
  const Json* document = find(job.index, job.object);
  if (document == nullptr || !document->contains(job.condition->attribute)) {
    return expected.is_null();
  }
  return (*document)[job.condition->attribute] == expected;
}

// The content's hash stands for the resulting document: it follows from the body alone.
void State::put(const Job& job, Touched* touched) {
  Json document = parse(job.body);
  document["objectID"] = job.object;
  indexes_[job.index][job.object] = std::move(document);
  if (touched != nullptr) touched->emplace(job.index, job.object);
}

void State::partial(const Job& job, Touched* touched, Hasher& effect) {
  Json& document = indexes_[job.index][job.object];
  if (document.is_null()) document = Json::object();
  const Json changes = parse(job.body);
  for (const auto& [attribute, value] : changes.items()) merge(document, attribute, value, effect);
  document["objectID"] = job.object;
  if (touched != nullptr) touched->emplace(job.index, job.object);
}

void State::clear(const std::string& index, Touched* touched) {
  Documents& documents = indexes_[index];
  if (touched != nullptr) {
    for (const auto& [object, document] : documents) touched->emplace(index, object);
  }
  documents.clear();
}

void State::move_or_copy(const Job& job, Touched* touched) {
  const std::string& destination = job.object;
  if (destination == job.index) return;
  clear(destination, touched);
  if (job.action == Action::copy) {
    indexes_[destination] = indexes_[job.index];
  } else {
    indexes_[destination] = std::move(indexes_[job.index]);
    indexes_.erase(job.index);
  }
  if (touched == nullptr) return;
  for (const auto& [object, document] : indexes_[destination]) {
    touched->emplace(destination, object);
    if (job.action == Action::move) touched->emplace(job.index, object);
  }
}

const State::Documents* State::documents(std::string_view index) const {
  const auto found = indexes_.find(index);
  return found == indexes_.end() ? nullptr : &found->second;
}

const Json* State::find(std::string_view index, std::string_view object) const {
  const Documents* in_index = documents(index);
  if (in_index == nullptr) return nullptr;
  const auto found = in_index->find(std::string(object));
  return found == in_index->end() ? nullptr : &found->second;
}

const AppliedJob* State::job(JobId id) const {
  // Without bugs, job n is the n-th applied one. With job-id-reused it is somewhere near the end.
  if (id >= 1 && id <= jobs_.size() && jobs_[id - 1].job == id) return &jobs_[id - 1];
  const auto found = std::find_if(jobs_.rbegin(), jobs_.rend(),
                                  [id](const AppliedJob& applied) { return applied.job == id; });
  return found == jobs_.rend() ? nullptr : &*found;
}

std::optional<JobId> State::job_of_key(const std::string& key) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return std::nullopt;
  return found->second;
}

}  // namespace gameday::search
