#include "sut/search/applier.h"

#include <xapian.h>

#include <cstdlib>
#include <utility>

#include "sut/search/log_line.h"

namespace gameday::search {
namespace {

constexpr std::size_t jobs_per_lock = 64;  // bounds how long a reader of the state waits
// A commit costs the same for one document as for a hundred, and its file operations slow down the
// fdatasync of the log.
constexpr auto commit_interval = std::chrono::milliseconds(25);
constexpr std::size_t documents_per_look = 8;  // between looks at newly committed entries

// These change many documents at once.
bool is_atomic(const Job& job) {
  return job.action == Action::move || job.action == Action::copy || job.action == Action::clear;
}

}  // namespace

Result<std::unique_ptr<Applier>> Applier::start(const std::filesystem::path& directory,
                                                const Bugs& bugs, Events events) {
  auto text = TextIndex::open(directory);
  if (!text) return tl::make_unexpected(text.error());
  return std::unique_ptr<Applier>(
      new Applier(*std::move(text), bugs, std::move(events)));
}

Applier::Applier(std::unique_ptr<TextIndex> text, const Bugs& bugs, Events events)
    : events_(std::move(events)),
      text_(std::move(text)),
      state_(bugs),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Applier::~Applier() = default;

void Applier::push(std::vector<raft::Entry> entries) {
  {
    const std::lock_guard lock(inbox_mutex_);
    inbox_.insert(inbox_.end(), std::make_move_iterator(entries.begin()),
                  std::make_move_iterator(entries.end()));
  }
  inbox_filled_.notify_one();
}

void Applier::run(const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      wait_for_work(stop);
      fetch();
      apply_plain();
      if (touched_.empty() || Clock::now() >= next_commit_) publish(stop);
      apply_atomic();
    }
  } catch (const Xapian::Error& error) {
    log_line("stopping: the text index failed: {}", error.get_description());
    std::_Exit(1);
  }
}

// Until something is pushed, or what is in the state already may be published.
void Applier::wait_for_work(const std::stop_token& stop) {
  const auto filled = [this] { return !inbox_.empty(); };
  std::unique_lock lock(inbox_mutex_);
  if (touched_.empty() && work_.empty()) {
    inbox_filled_.wait(lock, stop, filled);
  } else if (!touched_.empty()) {
    inbox_filled_.wait_until(lock, stop, next_commit_, filled);
  }
}

// Takes what was pushed; answers whether there is work.
bool Applier::fetch() {
  std::vector<raft::Entry> entries;
  {
    const std::lock_guard lock(inbox_mutex_);
    entries.swap(inbox_);
  }
  for (const raft::Entry& entry : entries) {
    auto jobs = decode_jobs(entry.payload);
    if (!jobs || jobs->size() != entry.jobs) {
      log_line("stopping: entry {} does not hold {} jobs", entry.index, entry.jobs);
      std::_Exit(1);
    }
    JobId id = entry.first_job;
    for (Job& job : *jobs) {
      work_.push_back({.id = id++, .job = std::move(job), .has_job = true, .completes = 0});
    }
    if (jobs->empty()) work_.emplace_back();
    work_.back().completes = entry.index;
  }
  return !work_.empty();
}

void Applier::apply(const Work& work) {
  if (work.has_job) {
    state_.apply(work.id, work.job, &touched_);
    in_state_.job = work.id;
    in_state_.hash = state_.hash();
  }
  if (work.completes != 0) in_state_.index = work.completes;
}

void Applier::apply_plain() {
  bool any = false;
  const auto plain_next = [this] {
    return !work_.empty() && !(work_.front().has_job && is_atomic(work_.front().job));
  };
  while (plain_next()) {
    const std::unique_lock lock(state_mutex_);
    for (std::size_t n = 0; n < jobs_per_lock && plain_next(); ++n) {
      apply(work_.front());
      work_.pop_front();
    }
    any = true;
  }
  if (any) events_.in_state(in_state_);
}

void Applier::apply_atomic() {
  if (work_.empty() || !touched_.empty() || !work_.front().has_job ||
      !is_atomic(work_.front().job)) {
    return;
  }
  {
    const std::lock_guard gate(search_gate_);
    {
      const std::unique_lock lock(state_mutex_);
      apply(work_.front());
    }
    work_.pop_front();
    for (const auto& name : std::exchange(touched_, {})) index_one(name);
    text_->commit();
  }
  searchable_ = in_state_;
  events_.in_state(in_state_);
  events_.searchable(searchable_);
}

void Applier::publish(const std::stop_token& stop) {
  const Watermark reached = in_state_;
  if (reached.index == searchable_.index && reached.job == searchable_.job) return;
  const State::Touched batch = std::exchange(touched_, {});
  std::size_t indexed = 0;
  for (const auto& name : batch) {
    if (stop.stop_requested()) return;
    index_one(name);
    if (++indexed % documents_per_look == 0 && fetch()) apply_plain();
  }
  if (!batch.empty()) {
    const std::lock_guard gate(search_gate_);
    text_->commit();
    next_commit_ = Clock::now() + commit_interval;
  }
  searchable_ = reached;
  events_.searchable(searchable_);
}

void Applier::index_one(const std::pair<std::string, std::string>& name) {
  if (const Json* document = state_.find(name.first, name.second)) {
    text_->put(name.first, name.second, *document);
  } else {
    text_->remove(name.first, name.second);
  }
}

Result<SearchResult> Applier::search(const std::string& index, const SearchQuery& query) {
  try {
    const std::lock_guard gate(search_gate_);
    const SearchHits found = text_->search(index, query);
    SearchResult result;
    result.total = found.total;
    read([&](const State& state) {
      for (const std::string& object : found.objects) {
        // Deleted since the index was committed: no longer a hit.
        if (const Json* document = state.find(index, object)) result.hits.push_back(*document);
      }
    });
    return result;
  } catch (const Xapian::Error& error) {
    return fail("search: {}", error.get_description());
  }
}

}  // namespace gameday::search
