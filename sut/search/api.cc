#include "sut/search/api.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <charconv>
#include <chrono>
#include <ctime>
#include <utility>

#include "sut/http/url.h"

namespace gameday::search {
namespace asio = boost::asio;
using http::Reply;
using http::Request;
using http::Response;

namespace {

constexpr std::int64_t default_timeout_ms = 2000;
constexpr std::int64_t max_timeout_ms = 60'000;
constexpr std::size_t max_batch_requests = 1000;
constexpr std::size_t default_browse_limit = 1000;
constexpr std::size_t max_listing = 10'000;
constexpr std::size_t max_hits_per_page = 1000;

Response error(int status, std::string_view message, bool may_have_happened = false) {
  Json body = {{"status", status}, {"message", message}, {"mayHaveHappened", may_have_happened}};
  // Messages may quote what a client has sent.
  return {.status = status, .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Response ok(const Json& body) { return {.status = 200, .body = body.dump()}; }

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || text.empty())
    return std::nullopt;
  return value;
}

// A number in the query string; `fallback` when it is missing, nullopt when it is none.
std::optional<std::uint64_t> number_parameter(const Request& request, std::string_view name,
                                              std::uint64_t fallback) {
  const auto text = http::query_parameter(request.query, name);
  return text ? parse_number<std::uint64_t>(*text) : fallback;
}

std::optional<TimePoint> deadline_of(const Request& request) {
  const TimePoint now = Clock::now();
  const std::string_view header = request.header("X-Timeout-Ms");
  if (header.empty()) return now + std::chrono::milliseconds(default_timeout_ms);
  const auto timeout = parse_number<std::int64_t>(header);
  if (!timeout || *timeout < 1) return std::nullopt;
  return now + std::chrono::milliseconds(std::min(*timeout, max_timeout_ms));
}

// 0 where there is none; nullopt where it is no time.
std::optional<std::uint64_t> expiry_of(const Request& request) {
  const std::string_view header = request.header("X-Expires-At");
  return header.empty() ? std::optional<std::uint64_t>(0) : parse_number<std::uint64_t>(header);
}

// The answer to a write that has none of its own.
Response failure(const WriteResult& result) {
  switch (result.outcome) {
    case WriteResult::Outcome::condition_failed: {
      const Json body = {{"status", 412},
                         {"message", "the condition does not hold, or it came too late"},
                         {"mayHaveHappened", false},
                         {"taskID", result.jobs.back()}};
      return {.status = 412, .body = body.dump()};
    }
    case WriteResult::Outcome::refused:
      return error(503, result.message);
    case WriteResult::Outcome::acknowledged:
    case WriteResult::Outcome::unknown:
      break;
  }
  return error(504, result.message, /*may_have_happened=*/true);
}

std::optional<Action> parse_action(const Json& action) {
  if (action == "put") return Action::put;
  if (action == "partial") return Action::partial;
  if (action == "delete") return Action::remove;
  if (action == "clear") return Action::clear;
  return std::nullopt;
}

// Empty when it is missing. One of another type is an error: a key that was passed over in silence
// would let a retry apply twice.
Result<std::string> string_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) return std::string{};
  if (!found->is_string()) return fail("{} is not a string", name);
  return found->get<std::string>();
}

Result<Job> parse_batch_request(const Json& request, const std::string& index) {
  if (!request.is_object()) return fail("not a JSON object");
  const auto action = parse_action(request.value("action", Json()));
  if (!action) return fail("unknown action; there are put, partial, delete, clear");
  Job job{.action = *action, .index = index, .object = {}, .body = {}, .key = {}, .condition = {}};
  auto object = string_member(request, "objectID");
  if (!object) return tl::make_unexpected(object.error());
  if (*action != Action::clear) job.object = *std::move(object);
  if (const auto body = request.find("body"); body != request.end()) {
    if (!body->is_object()) return fail("body is not a JSON object");
    job.body = body->dump();
  }
  auto key = string_member(request, "key");
  if (!key) return tl::make_unexpected(key.error());
  job.key = *std::move(key);
  if (auto valid = validate(job); !valid) return tl::make_unexpected(valid.error());
  return job;
}

// "attribute:value", or a list of such.
Status parse_filters(const Json& filters, SearchQuery& query) {
  const Json list = filters.is_array() ? filters : Json::array({filters});
  for (const Json& filter : list) {
    if (!filter.is_string()) return fail("a filter is a string, attribute:value");
    const auto& text = filter.get_ref<const std::string&>();
    if (text.empty() && !filters.is_array()) continue;
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) return fail("a filter has the form attribute:value");
    query.filters.emplace_back(text.substr(0, colon), text.substr(colon + 1));
  }
  return {};
}

Result<SearchQuery> parse_query(std::string_view body) {
  const auto json = parse_bounded(body.empty() ? "{}" : body);
  if (!json || !json->is_object()) return fail("the body is not a JSON object");
  SearchQuery query;
  auto text = string_member(*json, "query");
  if (!text) return tl::make_unexpected(text.error());
  query.text = *std::move(text);
  for (const auto& [name, target] :
       {std::pair{"hitsPerPage", &query.hits_per_page}, std::pair{"page", &query.page}}) {
    const auto found = json->find(name);
    if (found == json->end()) continue;
    if (!found->is_number_unsigned() || *found > 1'000'000) return fail("{} is not a count", name);
    *target = found->get<std::size_t>();
  }
  query.hits_per_page = std::min(query.hits_per_page, max_hits_per_page);
  if (json->contains("filters")) {
    if (auto parsed = parse_filters((*json)["filters"], query); !parsed) {
      return tl::make_unexpected(parsed.error());
    }
  }
  return query;
}

}  // namespace

// A request on its way through the handlers; valid, as the request is, until handle() returns.
struct Api::Call {
  const Request& request;
  Reply reply;
  std::vector<std::string> path;  // decoded segments
  TimePoint deadline;
};

Api::Api(asio::io_context& loop, Node& node) : loop_(loop), node_(node) {}

template <typename F>
void Api::on_reader(const Reply& reply, F work) {
  asio::post(reader_, [this, reply, work = std::move(work)] {
    Response response = work();
    asio::post(loop_,
               [reply, response = std::move(response)]() mutable { reply(std::move(response)); });
  });
}

void Api::handle(const Request& request, Reply reply) {
  auto path = http::path_segments(request.path);
  const auto deadline = deadline_of(request);
  if (!path || !deadline) {
    return reply(error(400, path ? "X-Timeout-Ms is not a number of ms" : "malformed path"));
  }
  const Call call{request, std::move(reply), *std::move(path), *deadline};
  const auto& segments = call.path;
  if (segments.size() < 2 || segments[0] != "1") return call.reply(error(404, "no such path"));
  if (segments[1] == "status" && segments.size() == 2) return status(call);
  // Also the own jobs: a prefix of what was shown before the restart would look like a loss.
  const bool is_query = request.method == "POST" && segments.back() == "query";
  if (request.method == "GET" || is_query) {
    if (is_query ? node_.replaying_searches() : node_.replaying())
      return call.reply(error(503, "replaying the log after a restart"));
  }
  if (segments[1] == "jobs" && segments.size() == 2) return jobs(call);
  if (segments[1] != "indexes" || segments.size() < 3) {
    return call.reply(error(404, "no such path"));
  }
  handle_index(call);
}

void Api::handle_index(const Call& call) {
  const auto& path = call.path;
  const std::string_view method = call.request.method;
  if (path.size() == 3) {
    return method == "GET" ? browse(call) : call.reply(error(405, "an index takes GET"));
  }
  if (path.size() == 4) {
    return method == "POST" ? handle_index_action(call) : handle_object(call);
  }
  if (path.size() == 5 && path[3] == "task" && method == "GET") return task(call);
  if (path.size() == 5 && path[4] == "partial" && method == "POST") {
    return write_one(call, {.action = Action::partial,
                            .index = path[2],
                            .object = path[3],
                            .body = std::string(call.request.body),
                            .key = {},
                            .condition = {}});
  }
  call.reply(error(404, "no such path"));
}

void Api::handle_index_action(const Call& call) {
  const std::string& action = call.path[3];
  if (action == "query") return query(call);
  if (action == "batch") return batch(call);
  if (action == "operation") return operation(call);
  if (action == "clear") {
    return write_one(call, {.action = Action::clear,
                            .index = call.path[2],
                            .object = {},
                            .body = {},
                            .key = {},
                            .condition = {}});
  }
  call.reply(error(404, "no such action"));
}

void Api::handle_object(const Call& call) {
  const std::string_view method = call.request.method;
  if (method == "GET") return get_object(call);
  if (method == "PUT") return put_object(call);
  if (method == "DELETE") {
    return write_one(call, {.action = Action::remove,
                            .index = call.path[2],
                            .object = call.path[3],
                            .body = {},
                            .key = {},
                            .condition = {}});
  }
  call.reply(error(405, "an object takes GET, PUT, DELETE"));
}

void Api::write_one(const Call& call, Job job) {
  job.key = call.request.header("X-Idempotency-Key");
  const auto expires = expiry_of(call.request);
  if (!expires) return call.reply(error(400, "X-Expires-At is not a time in ms"));
  job.expires_ms = *expires;
  if (auto valid = validate(job); !valid) return call.reply(error(400, valid.error().message));
  if (!job.condition && http::query_parameter(call.request.query, "ifAttribute")) {
    return call.reply(error(400, "only the PUT of an object can have a condition"));
  }
  const bool has_object =
      job.action != Action::clear && job.action != Action::move && job.action != Action::copy;
  const std::string object = has_object ? Json(job.object).dump() : std::string{};
  node_.write(
      {std::move(job)}, call.deadline, [reply = call.reply, object](const WriteResult& result) {
        if (result.outcome != WriteResult::Outcome::acknowledged) return reply(failure(result));
        reply({.status = 200,
               .body = object.empty() ? fmt::format(R"({{"taskID":{}}})", result.jobs.back())
                                      : fmt::format(R"({{"taskID":{},"objectID":{}}})",
                                                    result.jobs.back(), object)});
      });
}

void Api::put_object(const Call& call) {
  Job job{.action = Action::put,
          .index = call.path[2],
          .object = call.path[3],
          .body = std::string(call.request.body),
          .key = {},
          .condition = {}};
  const auto attribute = http::query_parameter(call.request.query, "ifAttribute");
  const auto equals = http::query_parameter(call.request.query, "ifEquals");
  if (attribute.has_value() != equals.has_value()) {
    return call.reply(error(400, "ifAttribute and ifEquals belong together"));
  }
  if (attribute) job.condition = {.attribute = *attribute, .equals = *equals};
  write_one(call, std::move(job));
}

void Api::get_object(const Call& call) {
  const auto answer = [this, index = call.path[2], object = call.path[3], reply = call.reply] {
    std::string text = node_.applier().read([&](const State& state) {
      const Json* document = state.find(index, object);
      return document == nullptr ? std::string{} : document->dump();
    });
    if (text.empty()) return reply(error(404, "no such object"));
    reply({.status = 200, .body = std::move(text)});
  };
  const auto consistency = http::query_parameter(call.request.query, "consistency");
  if (!consistency || *consistency == "local") return answer();
  if (*consistency != "strong") return call.reply(error(400, "consistency is local or strong"));
  node_.strong_read(call.deadline, [answer, reply = call.reply](const Status& ready) {
    if (!ready) return reply(error(503, ready.error().message));
    answer();
  });
}

void Api::batch(const Call& call) {
  const auto body = parse_bounded(call.request.body);
  if (!body || !body->is_object() || !body->contains("requests") ||
      !(*body)["requests"].is_array()) {
    return call.reply(error(400, R"(the body is not {"requests":[...]})"));
  }
  const Json& requests = (*body)["requests"];
  if (requests.empty() || requests.size() > max_batch_requests) {
    return call.reply(error(400, fmt::format("a batch has 1 to {} requests", max_batch_requests)));
  }
  const auto expires = expiry_of(call.request);
  if (!expires) return call.reply(error(400, "X-Expires-At is not a time in ms"));
  const std::string_view key = call.request.header("X-Idempotency-Key");
  std::vector<Job> jobs;
  Json objects = Json::array();
  for (const Json& request : requests) {
    auto job = parse_batch_request(request, call.path[2]);
    if (!job) {
      return call.reply(
          error(400, fmt::format("request {}: {}", jobs.size(), job.error().message)));
    }
    if (job->key.empty() && !key.empty()) job->key = fmt::format("{}#{}", key, jobs.size());
    job->expires_ms = *expires;
    objects.push_back(job->object);
    jobs.push_back(*std::move(job));
  }
  node_.write(
      jobs, call.deadline,
      [reply = call.reply, objects = std::move(objects)](const WriteResult& result) {
        if (result.outcome != WriteResult::Outcome::acknowledged) {
          return reply(failure(result));
        }
        reply(
            ok({{"taskID", result.jobs.back()}, {"taskIDs", result.jobs}, {"objectIDs", objects}}));
      });
}

void Api::operation(const Call& call) {
  const auto body = parse_bounded(call.request.body);
  if (!body || !body->is_object()) return call.reply(error(400, "the body is not a JSON object"));
  const auto name = string_member(*body, "operation");
  if (name != "move" && name != "copy") {
    return call.reply(error(400, "operation is move or copy"));
  }
  auto destination = string_member(*body, "destination");
  if (!destination) return call.reply(error(400, destination.error().message));
  write_one(call, {.action = name == "move" ? Action::move : Action::copy,
                   .index = call.path[2],
                   .object = *std::move(destination),
                   .body = {},
                   .key = {},
                   .condition = {}});
}

void Api::query(const Call& call) {
  auto parsed = parse_query(call.request.body);
  if (!parsed) return call.reply(error(400, parsed.error().message));
  on_reader(call.reply, [this, index = call.path[2], query = *std::move(parsed)] {
    auto found = node_.applier().search(index, query);
    if (!found) return error(500, found.error().message);
    return ok({{"hits", std::move(found->hits)},
               {"nbHits", found->total},
               {"page", query.page},
               {"hitsPerPage", query.hits_per_page}});
  });
}

void Api::browse(const Call& call) {
  const auto limit = number_parameter(call.request, "limit", default_browse_limit);
  if (!limit || *limit == 0) return call.reply(error(400, "limit is not a count"));
  const auto from = http::query_parameter(call.request.query, "from").value_or("");
  on_reader(call.reply, [this, index = call.path[2], from,
                         limit = std::min<std::uint64_t>(*limit, max_listing)] {
    return node_.applier().read([&](const State& state) {
      Json body = {{"hits", Json::array()}, {"nbHits", 0}, {"applied", state.last_job()}};
      const State::Documents* documents = state.documents(index);
      if (documents == nullptr) return ok(body);
      body["nbHits"] = documents->size();
      auto document = documents->lower_bound(from);
      for (std::uint64_t n = 0; n < limit && document != documents->end(); ++n, ++document) {
        body["hits"].push_back(document->second);
      }
      if (document != documents->end()) body["next"] = document->first;
      return ok(body);
    });
  });
}

void Api::jobs(const Call& call) {
  if (call.request.method != "GET") return call.reply(error(405, "jobs takes GET"));
  const auto from = number_parameter(call.request, "from", 1);
  const auto to = number_parameter(call.request, "to", ~std::uint64_t{0});
  if (!from || !to) return call.reply(error(400, "from and to are job ids"));
  on_reader(call.reply, [this, from = *from, to = *to] {
    return node_.applier().read([&](const State& state) {
      Json body = {{"jobs", Json::array()}, {"applied", state.last_job()}};
      // In the order of application, and looked through from the first one: with a bug switched
      // on, ids need not ascend.
      for (const AppliedJob& job : state.jobs()) {
        if (job.job < from || job.job > to) continue;
        if (body["jobs"].size() == max_listing) {
          body["next"] = job.job;
          break;
        }
        body["jobs"].push_back({job.job, fmt::format("{:016x}", job.hash), job.key});
      }
      return ok(body);
    });
  });
}

void Api::task(const Call& call) {
  const auto id = parse_number<JobId>(call.path[4]);
  if (!id || *id == 0) return call.reply(error(400, "a task id is a positive number"));
  const bool published = node_.state().applied.job >= *id;
  call.reply({.status = 200,
              .body = published ? R"({"status":"published"})" : R"({"status":"notPublished"})"});
}

void Api::status(const Call& call) {
  if (call.request.method != "GET") return call.reply(error(405, "status takes GET"));
  const NodeState state = node_.state();
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t clock = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  call.reply(ok({{"id", node_.options().id},
                 {"role", raft::name(state.role)},
                 {"term", state.term},
                 {"leader", state.leader},
                 {"first", state.first_job},
                 {"last", state.last_job},
                 {"commit", state.commit_job},
                 {"applied", state.applied.job},
                 {"hash", fmt::format("{:016x}", state.applied.hash)},
                 {"clock", clock},
                 {"bugs", node_.options().bugs.names}}));
}

}  // namespace gameday::search
