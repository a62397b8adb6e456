// The test client of the search cluster: turns ops into HTTP calls and answers into outcomes. What
// it cannot know is info; only what certainly did not happen is fail.
#include <algorithm>
#include <thread>

#include "harness/core/error.h"
#include "sut/http/http_client.h"
#include "sut/search/job.h"
#include "sut/search/system.h"

namespace gameday::search {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kFirstTry = 500ms;       // of a write that will be retried elsewhere
constexpr auto kRefusedPause = 20ms;    // a dead node is not asked in a tight loop
constexpr std::int64_t kPage = 5'000;
// Writes that may come too late by some clock, but never by a true one: whether nodes with wrong
// clocks agree.
constexpr std::int64_t kOneExpiresOf = 4;
constexpr std::uint64_t kExpiresAfterMs = 30'000;

const std::vector<std::string>& words() {
  static const std::vector<std::string> kWords{"amber", "birch", "cedar", "delta", "ember"};
  return kWords;
}

// The outcome of one HTTP call, with what is known of its effect.
struct Answer {
  OpType type = OpType::info;
  int status = 0;
  Json body;
  std::string error;
};

Answer interpret(const http::ClientResponse& response) {
  Answer answer;
  answer.status = response.status;
  answer.body = Json::parse(response.body, nullptr, false);
  if (answer.body.is_discarded()) {
    answer.error = fmt::format("status {} with a body that is not JSON", response.status);
    return answer;
  }
  if (response.status == 200) {
    answer.type = OpType::ok;
    return answer;
  }
  const bool object = answer.body.is_object();
  const bool may_have_happened =
      response.status >= 500 && (!object || answer.body.value("mayHaveHappened", true));
  answer.type = may_have_happened ? OpType::info : OpType::fail;
  answer.error = fmt::format("{} {}", response.status,
                             object ? answer.body.value("message", std::string()) : std::string());
  return answer;
}

class SearchClient final : public Client {
 public:
  SearchClient(const Node& node, const std::vector<Node>& all) {
    // This node first, then the others in turn: where a write is retried.
    const auto own = std::find_if(all.begin(), all.end(),
                                  [&](const Node& n) { return n.name == node.name; });
    hosts_.push_back({node.address, nullptr});
    const auto after = static_cast<std::size_t>(own - all.begin()) + 1;
    for (std::size_t i = 0; i + 1 < all.size(); ++i)
      hosts_.push_back({all[(after + i) % all.size()].address, nullptr});
  }

  Completion invoke(const Op& op, Deadline deadline) override {
    if (op.f == "read") return read(op, "?consistency=strong", deadline);
    if (op.f == "get") return read(op, "", deadline);
    if (op.f == "write") return write(op, deadline);
    if (op.f == "cas") return cas(op, deadline);
    if (op.f == "append") return append(op, deadline);
    if (op.f == "add") return add(op, deadline);
    if (op.f == "search") return search(op, deadline);
    if (op.f == "jobs") return jobs(deadline);
    if (op.f == "lists") return lists(deadline);
    if (op.f == "read-set") return read_set(deadline);
    return {OpType::fail, nullptr, "the search client does not know " + op.f};
  }

 private:
  struct Host {
    std::string address;
    std::unique_ptr<http::Client> client;
  };

  // One call to one host. `effect`: the request changes something, so that a lost answer is info.
  Answer call(std::size_t host, http::ClientRequest request, bool effect, Deadline deadline) {
    Host& h = hosts_[host];
    if (!h.client) h.client = std::make_unique<http::Client>(h.address, kHttpPort, /*checked=*/true);
    // The server gives up first: its answer says more than our silence.
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    request.headers.emplace_back("X-Timeout-Ms",
                                 std::to_string(std::max<std::int64_t>(1, left.count() - 50)));
    const auto response = h.client->call(request, deadline);
    if (response) {
      Answer answer = interpret(*response);
      if (!effect && answer.type == OpType::info) answer.type = OpType::fail;
      return answer;
    }
    if (!response.error().sent) std::this_thread::sleep_for(kRefusedPause);
    Answer answer;
    answer.type = effect && response.error().sent ? OpType::info : OpType::fail;
    answer.error = response.error().message;
    return answer;
  }

  static Completion done(const Answer& answer, Json value = nullptr) {
    return {answer.type, answer.type == OpType::ok ? std::move(value) : Json(nullptr),
            answer.error};
  }

  // A field of an answer that may not have come at all.
  static Json field(const Answer& answer, const char* name) {
    return answer.body.is_object() ? answer.body.value(name, Json()) : Json();
  }

  Completion read(const Op& op, std::string_view how, Deadline deadline) {
    const Json& key = op.value.at(0);
    Answer answer = call(0, {"GET", fmt::format("/1/indexes/register/r{}{}", key.dump(), how), {}, {}},
                         false, deadline);
    if (answer.status == 404) return {OpType::ok, {key, nullptr}, ""};
    if (answer.type != OpType::ok) return done(answer);
    return {OpType::ok, {key, field(answer, "value")}, ""};
  }

  Completion write(const Op& op, Deadline deadline) {
    const std::string key = op.value.at(0).dump(), value = op.value.at(1).dump();
    return done(call(0,
                     {"PUT", "/1/indexes/register/r" + key, Json{{"value", op.value.at(1)}}.dump(),
                      {{"X-Idempotency-Key", fmt::format("write-{}-{}", key, value)}}},
                     true, deadline));
  }

  Completion cas(const Op& op, Deadline deadline) {
    const std::string key = op.value.at(0).dump();
    const Json &from = op.value.at(1).at(0), &to = op.value.at(1).at(1);
    return done(call(0,
                     {"PUT",
                      fmt::format("/1/indexes/register/r{}?ifAttribute=value&ifEquals={}", key,
                                  from.dump()),
                      Json{{"value", to}}.dump(),
                      {{"X-Idempotency-Key", fmt::format("cas-{}-{}", key, to.dump())}}},
                     true, deadline));
  }

  Completion append(const Op& op, Deadline deadline) {
    const Json &key = op.value.at(0), &value = op.value.at(1);
    const Json body = {{"values", {{"_operation", "Append"}, {"value", value}}}};
    const Answer answer =
        retry({"POST", fmt::format("/1/indexes/append/a{}/partial", key.dump()), body.dump(),
               {{"X-Idempotency-Key", "append-" + value.dump()}}},
              deadline);
    return done(answer, {key, value, field(answer, "taskID")});
  }

  Completion add(const Op& op, Deadline deadline) {
    const auto value = op.value.get<std::int64_t>();
    const std::string& word = words()[static_cast<std::size_t>(value) % words().size()];
    const Json body = {{"value", value}, {"text", word + " gameday"}};
    http::ClientRequest request{"PUT", fmt::format("/1/indexes/set/s{}", value), body.dump(),
                                {{"X-Idempotency-Key", fmt::format("add-{}", value)}}};
    if (value % kOneExpiresOf == 0)
      request.headers.emplace_back("X-Expires-At", std::to_string(wall_clock_ms() + kExpiresAfterMs));
    const Answer answer = retry(request, deadline);
    return done(answer, {value, field(answer, "taskID")});
  }

  // The retry strategy of the hosted service's clients: the same write, with the same idempotency
  // key, to the next host, with growing timeouts. It happened if any try says so; it did not if all
  // tries say so.
  Answer retry(const http::ClientRequest& request, Deadline deadline) {
    Answer last;
    bool unknown = false;
    auto limit = std::chrono::milliseconds(kFirstTry);
    for (std::size_t i = 0; Clock::now() + 20ms < deadline; ++i, limit = limit * 3 / 2) {
      last = call(i % hosts_.size(), request, true, std::min(deadline, Clock::now() + limit));
      if (last.type == OpType::ok || last.status / 100 == 4) break;
      unknown |= last.type == OpType::info;
      std::this_thread::sleep_for(std::min<Clock::duration>(10ms, deadline - Clock::now()));
    }
    if (unknown && last.type != OpType::ok) last.type = OpType::info;
    return last;
  }

  Completion search(const Op& op, Deadline deadline) {
    const Json body = {{"query", op.value}, {"hitsPerPage", 5}};
    const Answer answer =
        call(0, {"POST", "/1/indexes/set/query", body.dump(), {}}, false, deadline);
    return done(answer, field(answer, "nbHits"));
  }

  Completion jobs(Deadline deadline) {
    Json all = Json::array();
    for (std::int64_t from = 1;; from += kPage) {
      const Answer answer =
          call(0, {"GET", fmt::format("/1/jobs?from={}&to={}", from, from + kPage - 1), {}, {}},
               false, deadline);
      if (answer.type != OpType::ok) return done(answer);
      const Json& page = answer.body.at("jobs");
      all.insert(all.end(), page.begin(), page.end());
      if (from + kPage > answer.body.at("applied").get<std::int64_t>()) break;
    }
    return {OpType::ok, std::move(all), ""};
  }

  // Every object of an index, in pages.
  template <typename Visit>
  Answer browse(std::string_view index, Deadline deadline, Visit visit) {
    for (std::string from;;) {
      Answer answer =
          call(0, {"GET", fmt::format("/1/indexes/{}?from={}&limit={}", index, from, kPage), {}, {}},
               false, deadline);
      if (answer.status == 404) answer.type = OpType::ok;  // nothing was ever written to it
      if (answer.type != OpType::ok || answer.status == 404) return answer;
      for (const Json& object : answer.body.at("hits")) visit(object);
      if (!answer.body.contains("next")) return answer;
      from = answer.body["next"].get<std::string>();
    }
  }

  Completion lists(Deadline deadline) {
    Json value = Json::object();
    const Answer answer = browse("append", deadline, [&](const Json& object) {
      value[object.at("objectID").get<std::string>().substr(1)] = object.at("values");
    });
    return done(answer, std::move(value));
  }

  Completion read_set(Deadline deadline) {
    std::vector<std::int64_t> values;
    const Answer answer = browse("set", deadline, [&](const Json& object) {
      values.push_back(object.at("value").get<std::int64_t>());
    });
    std::sort(values.begin(), values.end());
    return done(answer, values);
  }

  std::vector<Host> hosts_;
};

}  // namespace

std::unique_ptr<Client> make_client(const Node& node, const std::vector<Node>& all) {
  return std::make_unique<SearchClient>(node, all);
}

}  // namespace gameday::search
