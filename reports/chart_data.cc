#include "reports/chart_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "reports/text.h"

namespace gameday::report {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kShortest = kSecond / 1000;  // a span without length cannot be drawn

std::int64_t micros(std::int64_t ns) { return ns < 0 ? -1 : ns / 1000; }

struct Span {
  std::int64_t begin = 0, end = 1;
};

Span run_span(const RunRecord& run, const RunView& view) {
  std::int64_t first = std::numeric_limits<std::int64_t>::max(), last = 0;
  for (std::size_t i = 0; i < run.history.size(); ++i) {
    if (run.history.time(i) < 0) continue;
    first = std::min(first, run.history.time(i));
    last = std::max(last, run.history.time(i));
  }
  for (const auto& fault : run.faults) last = std::max({last, fault.in_force, fault.healed});
  // A history of another tool may count from an epoch of its own: then the run begins at its first
  // op.
  const bool timed = first <= last;
  const bool epoch = timed && first > last / 2 && first > 3600 * kSecond;
  if (epoch) return {first, std::max(last, first + kShortest)};
  return {0, std::max({last, view.duration, kShortest})};
}

// --- rates and quantiles ---------------------------------------------------------------------

// A width that people count in, so that the span has at most kBuckets of it.
std::int64_t bucket_width(std::int64_t length) {
  const auto least = static_cast<double>(length) / static_cast<double>(kBuckets);
  double unit = 1e6;  // 1 ms
  while (unit * 10 < least) unit *= 10;
  for (const double step : {1.0, 2.0, 2.5, 5.0, 10.0})
    if (unit * step >= least) return static_cast<std::int64_t>(unit * step);
  return static_cast<std::int64_t>(unit * 10);
}

struct Buckets {
  Span span;
  std::int64_t width;
  std::size_t size;
  std::size_t at(std::int64_t time) const {
    const auto i = static_cast<std::size_t>(std::max<std::int64_t>(0, time - span.begin) / width);
    return std::min(i, size - 1);
  }
};

Buckets make_buckets(const Span& span) {
  const std::int64_t width = bucket_width(span.end - span.begin);
  const auto size = static_cast<std::size_t>((span.end - span.begin + width - 1) / width);
  return {span, width, std::max<std::size_t>(size, 1)};
}

Json quantiles(std::vector<std::vector<std::int64_t>>& samples) {
  constexpr std::array<std::pair<const char*, double>, 4> kWhich = {
      {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1.0}}};
  Json result = Json::object();
  for (const auto& [name, q] : kWhich) result[name] = Json::array();
  for (auto& bucket : samples) {
    std::sort(bucket.begin(), bucket.end());
    for (const auto& [name, q] : kWhich) {
      if (bucket.empty()) {
        result[name].push_back(nullptr);
        continue;
      }
      const double rank = std::ceil(q * static_cast<double>(bucket.size()));
      result[name].push_back(micros(bucket[static_cast<std::size_t>(std::max(rank, 1.0)) - 1]));
    }
  }
  return result;
}

// ok, fail and info by the time of completion; the latency of ok ops by the time of invocation,
// where a stall begins.
void add_rates(const History& history, const Buckets& buckets, Json& data) {
  std::array<std::vector<std::int64_t>, 3> completed;
  for (auto& column : completed) column.assign(buckets.size, 0);
  std::array<std::vector<std::vector<std::int64_t>>, 2> latency;
  for (auto& group : latency) group.resize(buckets.size);
  std::int64_t probes = 0;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (!history.is_client(i) || history.time(i) < 0) continue;
    const std::string& f = history.name(history.f(i));
    const OpType type = history.type(i);
    if (is_probe(f)) probes += type == OpType::invoke ? 1 : 0;
    if (is_probe(f) || type == OpType::invoke) continue;
    const std::size_t column = type == OpType::ok ? 0 : type == OpType::fail ? 1 : 2;
    ++completed[column][buckets.at(history.time(i))];
    if (column != 0 || history.pair(i) < 0) continue;
    const std::int64_t begin = history.time(static_cast<std::size_t>(history.pair(i)));
    if (begin >= 0 && history.time(i) >= begin)
      latency[is_read(f) ? 1 : 0][buckets.at(begin)].push_back(history.time(i) - begin);
  }
  data["buckets"] = {{"width", micros(buckets.width)},
                     {"ok", completed[0]},
                     {"fail", completed[1]},
                     {"info", completed[2]}};
  data["probes"] = probes;
  data["latency"] = Json::array();
  for (const std::size_t group : {std::size_t{0}, std::size_t{1}}) {
    const auto has_any = [](const auto& bucket) { return !bucket.empty(); };
    if (std::none_of(latency[group].begin(), latency[group].end(), has_any)) continue;
    Json entry = quantiles(latency[group]);
    entry["group"] = group == 0 ? "writes" : "reads";
    data["latency"].push_back(std::move(entry));
  }
}

// --- moments: the stretches of the run that are worth a look -----------------------------------

struct Moment {
  std::string label;
  int anomaly = -1;  // its number, or -1 for a fault's moment
  std::int64_t from = 0, to = 0;
  std::vector<std::int64_t> focus;  // times; the ops nearest to one of them are shown
};

// An op's cited ops may lie far apart (a write, and the final read that misses it): each group of
// neighbours is a moment of its own.
void add_anomaly_moments(const History& history, const AnomalyView& anomaly, int number,
                         const Span& span, std::vector<Moment>& moments) {
  const std::int64_t gap = std::max<std::int64_t>(kSecond, (span.end - span.begin) / 25);
  Moment* open = nullptr;
  std::int64_t last = 0;
  int further = 0;
  const auto close = [&] {
    if (open == nullptr) return;
    if (further > 0) open->label += fmt::format(" +{} more", further);
    const std::int64_t pad = std::max<std::int64_t>(kSecond / 4, (open->to - open->from) / 4);
    open->from = std::max(span.begin, open->from - pad);
    open->to = std::min(span.end, open->to + pad);
  };
  auto rows = op_rows(history, anomaly.ops);
  std::sort(rows.begin(), rows.end(),
            [](const OpRow& a, const OpRow& b) { return a.begin < b.begin; });
  for (const OpRow& row : rows) {
    if (row.begin < 0) continue;
    // An op without an answer may last to the end of the run: its first second is enough.
    const std::int64_t end = std::clamp(row.end, row.begin, row.begin + kSecond);
    if (open != nullptr && row.begin - last < gap) {
      open->to = std::max(open->to, end);
      open->focus.push_back(row.begin);
      ++further;
    } else {
      close();
      const std::string value = row.value.is_null() ? "" : " " + compact(row.value, 24);
      moments.push_back({fmt::format("{}{} at {}", printable(row.f), value, at_second(row.begin)),
                         number,
                         row.begin,
                         end,
                         {row.begin}});
      open = &moments.back();
      further = 0;
    }
    last = std::max(last, end);
  }
  close();
}

std::vector<Moment> find_moments(const RunRecord& run, const RunView& view, const Span& span) {
  std::vector<Moment> moments;
  const std::size_t shown = std::min(view.anomalies.size(), kAnomaliesShown);
  for (std::size_t i = 0; i < shown; ++i)
    add_anomaly_moments(run.history, view.anomalies[i], static_cast<int>(i), span, moments);
  std::size_t faults = 0;
  for (const auto& fault : run.faults) {
    if (fault.in_force < 0) continue;
    if (++faults > kFaultMoments) break;
    const std::int64_t end = fault.healed < 0 ? fault.in_force + 2 * kSecond : fault.healed;
    const std::int64_t pad = std::max<std::int64_t>((end - fault.in_force) / 5, kSecond / 4);
    moments.push_back({fmt::format("{} at {}", printable(fault.fault), at_second(fault.in_force)),
                       -1,
                       std::max(span.begin, fault.in_force - pad),
                       std::min(span.end, end + pad),
                       {fault.in_force}});
  }
  if (moments.empty())
    moments.push_back({"the beginning",
                       -1,
                       span.begin,
                       std::min(span.end, span.begin + 5 * kSecond),
                       {span.begin}});
  return moments;
}

// --- the ops that are embedded -------------------------------------------------------------------

bool is_drawn(const History& history, std::size_t i) {
  return history.is_client(i) && history.type(i) == OpType::invoke && history.time(i) >= 0 &&
         !is_probe(history.name(history.f(i)));
}

std::int64_t distance(const Moment& moment, std::int64_t time) {
  std::int64_t nearest = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t focus : moment.focus) nearest = std::min(nearest, std::abs(focus - time));
  return nearest;
}

// The ops in flight within a moment, at most kWindowOps: those that begin nearest to its focus. The
// window shrinks to what is left, so that it is not mostly empty.
void pick_window(const History& history, Moment& moment, std::set<std::size_t>& picked) {
  std::vector<std::pair<std::int64_t, std::size_t>> near;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (!is_drawn(history, i) || history.time(i) > moment.to) continue;
    const std::int64_t pair = history.pair(i);
    const std::int64_t end = pair < 0 ? moment.to : history.time(static_cast<std::size_t>(pair));
    if (end >= moment.from) near.emplace_back(distance(moment, history.time(i)), i);
  }
  std::sort(near.begin(), near.end());
  if (near.size() > kWindowOps) {
    near.resize(kWindowOps);
    std::int64_t first = moment.to, last = moment.from;
    for (const auto& [away, i] : near) {
      first = std::min(first, history.time(i));
      last = std::max(last, history.time(i));
    }
    moment.from = std::max(moment.from, first);
    moment.to = std::min(moment.to, last);
  }
  for (const auto& [away, i] : near) picked.insert(i);
}

// Texts are numbered: values repeat, and a name stands in thousands of ops.
class Texts {
 public:
  std::size_t number(const std::string& text) {
    const auto [it, added] = numbers_.try_emplace(text, texts_.size());
    if (added) {
      texts_.push_back(text);
      bytes_ += script_json(text).size() + 1;
    }
    return it->second;
  }
  std::size_t bytes() const { return bytes_; }
  const std::vector<std::string>& all() const { return texts_; }

 private:
  std::map<std::string, std::size_t> numbers_;
  std::vector<std::string> texts_;
  std::size_t bytes_ = 0;
};

Json op_entry(const History& history, std::size_t index, Texts& texts) {
  const OpRow row = op_row(history, index);
  const std::size_t empty = texts.number("");
  static constexpr std::array<std::string_view, 4> kTypes = {"ok", "fail", "info", "open"};
  const auto type = std::find(kTypes.begin(), kTypes.end(), row.type) - kTypes.begin();
  return {row.index,
          row.completed,
          micros(row.begin),
          micros(row.end),
          history.process(row.index),
          type,
          texts.number(printable(row.f)),
          texts.number(printable(row.node)),
          row.value.is_null() ? empty : texts.number(compact(row.value, 120)),
          row.result.is_null() ? empty : texts.number(compact(row.result, 120)),
          texts.number(cut(printable(row.error), 160))};
}

void add_ops(const RunRecord& run, const RunView& view, const Span& span, Json& data) {
  const History& history = run.history;
  std::vector<Moment> moments = find_moments(run, view, span);
  std::vector<std::size_t> all, order;
  for (std::size_t i = 0; i < history.size(); ++i)
    if (is_drawn(history, i)) all.push_back(i);
  std::set<std::size_t> seen;
  const auto take = [&](std::size_t i) {
    if (seen.insert(i).second) order.push_back(i);
  };
  // The cited ops come first: no limit may leave them out.
  for (std::size_t a = 0; a < std::min(view.anomalies.size(), kAnomaliesShown); ++a)
    for (const std::size_t i : view.anomalies[a].ops)
      if (const std::size_t begin = op_row(history, i).index; is_drawn(history, begin)) take(begin);
  if (all.size() <= kAllOps) {
    for (const std::size_t i : all) take(i);
  } else {
    for (Moment& moment : moments) {
      std::set<std::size_t> picked;
      pick_window(history, moment, picked);
      for (const std::size_t i : picked) take(i);
    }
  }
  Texts texts;
  data["ops"] = Json::array();
  for (const std::size_t i : order) {
    if (data["ops"].size() >= kAllOps || texts.bytes() >= kOpBytes) break;
    data["ops"].push_back(op_entry(history, i, texts));
  }
  data["texts"] = texts.all();
  data["total"] = all.size();
  data["complete"] = data["ops"].size() == all.size();
  data["moments"] = Json::array();
  for (const Moment& moment : moments)
    data["moments"].push_back({{"label", moment.label},
                               {"anomaly", moment.anomaly},
                               {"from", micros(moment.from)},
                               {"to", micros(moment.to)}});
}

void add_anomalies(const RunRecord& run, const RunView& view, Json& data) {
  data["anomalies"] = Json::array();
  const std::size_t shown = std::min(view.anomalies.size(), kAnomaliesShown);
  for (std::size_t i = 0; i < shown; ++i) {
    Json ops = Json::array();
    for (const std::size_t op : view.anomalies[i].ops) {
      if (ops.size() == kWindowOps) break;
      ops.push_back(op_row(run.history, op).index);
    }
    data["anomalies"].push_back(
        {{"title", cut(printable(view.anomalies[i].summary), 120)}, {"ops", ops}});
  }
}

// What the page has a colour for; the families are the nemeses' (nemesis/catalog.h), by way of test.json.
std::string family_of(const RunRecord& run, const std::string& fault) {
  static const std::set<std::string> kDrawn = {"network", "process", "clock", "disk", "cluster"};
  const auto families = run.test.find("fault-families");
  if (families == run.test.end() || !families->is_object()) return "other";
  const auto family = families->find(fault);
  const bool drawn = family != families->end() && family->is_string() && kDrawn.contains(*family);
  return drawn ? family->get<std::string>() : "other";
}

void add_faults(const RunRecord& run, Json& data) {
  data["faults"] = Json::array();
  data["fault-total"] = run.faults.size();
  for (const auto& fault : run.faults) {
    if (data["faults"].size() == kChartFaults) break;
    data["faults"].push_back({{"name", cut(printable(fault.fault), 40)},
                              {"family", family_of(run, fault.fault)},
                              {"summary", cut(printable(fault.summary), 200)},
                              {"state", to_string(state_of(fault))},
                              {"requested", micros(fault.requested)},
                              {"from", micros(fault.in_force)},
                              {"to", micros(fault.healed)}});
  }
}

}  // namespace

bool is_probe(const std::string& f) { return f == "status" || f == "final-status"; }

bool is_read(const std::string& f) {
  static const std::set<std::string> kReads = {"get", "search", "lists", "jobs", "poll", "peek"};
  return kReads.contains(f) || f.find("read") != std::string::npos;
}

Json chart_data(const RunRecord& run, const RunView& view) {
  const Span span = run_span(run, view);
  Json data = {{"begin", micros(span.begin)},
               {"end", std::max(micros(span.end), micros(span.begin) + 1)}};
  add_rates(run.history, make_buckets(span), data);
  add_ops(run, view, span, data);
  add_anomalies(run, view, data);
  add_faults(run, data);
  data["heal-all"] = Json::array();
  const History::Name heal = run.history.find_name("heal-all");
  for (std::size_t i = 0; heal != History::kNoName && i < run.history.size(); ++i)
    if (!run.history.is_client(i) && run.history.f(i) == heal && data["heal-all"].size() < 4)
      data["heal-all"].push_back(micros(run.history.time(i)));
  return data;
}

}  // namespace gameday::report
