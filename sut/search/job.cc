#include "sut/search/job.h"

#include <algorithm>
#include <chrono>

#include "harness/core/json_depth.h"
#include "sut/search/bytes.h"

namespace gameday::search {
namespace {

constexpr std::size_t max_index_bytes = 200;  // a Xapian term holds 245
constexpr std::size_t max_name_bytes = 512;
constexpr int max_depth = 64;

// The parser is the one judge of UTF-8 here, so that whatever is stored can be dumped again.
bool is_utf8(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
  if (ascii) return true;
  try {
    (void)Json(std::string(text)).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

Status validate_name(std::string_view what, std::string_view name, std::size_t limit) {
  if (name.size() > limit) return fail("{} is longer than {} bytes", what, limit);
  if (!is_utf8(name)) return fail("{} is not valid UTF-8", what);
  return {};
}

Status validate_operation(const std::string& attribute, const Json& value) {
  if (!value.is_object() || !value.contains("_operation")) return {};
  const Json& operation = value["_operation"];
  if (!value.contains("value")) return fail("the operation on {} has no value", attribute);
  if (operation == "Append") return {};
  if (operation != "Increment") {
    return fail("unknown operation {} on {}; there are Increment, Append", operation.dump(),
                attribute);
  }
  if (!value["value"].is_number()) return fail("{}: an increment takes a number", attribute);
  return {};
}

Status validate_body(const Job& job) {
  if (job.action == Action::put) {  // the common case needs no document yet
    if (nests_deeper(job.body, max_depth)) return fail("the body is nested deeper than {}", max_depth);
    const std::size_t first = job.body.find_first_not_of(" \t\r\n");
    const bool is_object = first != std::string::npos && job.body[first] == '{';
    if (!is_object || !Json::accept(job.body)) return fail("the body is not a JSON object");
    return {};
  }
  const auto body = parse_bounded(job.body);
  if (!body || !body->is_object()) return fail("the body is not a JSON object");
  for (const auto& [attribute, value] : body->items()) {
    if (auto valid = validate_operation(attribute, value); !valid) return valid;
  }
  return {};
}

}  // namespace

void encode(const Job& job, std::string& out) {
  put_string(out, job.key);
  put(out, static_cast<std::uint8_t>(job.action));
  put_string(out, job.index);
  put_string(out, job.object);
  put_string(out, job.body);
  put(out, job.expires_ms);
  put(out, static_cast<std::uint8_t>(job.condition ? 1 : 0));
  if (!job.condition) return;
  put_string(out, job.condition->attribute);
  put_string(out, job.condition->equals);
}

std::string begin_payload(std::uint64_t placed_ms) {
  std::string payload;
  put(payload, placed_ms);
  return payload;
}

std::optional<std::vector<Job>> decode_jobs(std::string_view payload) {
  std::vector<Job> jobs;
  if (payload.empty()) return jobs;
  ByteReader in(payload);
  const auto placed_ms = in.take<std::uint64_t>();
  if (!in.ok()) return std::nullopt;
  while (!in.done()) {
    Job job;
    job.placed_ms = placed_ms;
    job.key = in.take_string();
    const auto action = in.take<std::uint8_t>();
    if (action >= actions) return std::nullopt;
    job.action = static_cast<Action>(action);
    job.index = in.take_string();
    job.object = in.take_string();
    job.body = in.take_string();
    job.expires_ms = in.take<std::uint64_t>();
    if (in.take<std::uint8_t>() != 0) {
      job.condition.emplace();
      job.condition->attribute = in.take_string();
      job.condition->equals = in.take_string();
    }
    if (!in.ok()) return std::nullopt;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::uint64_t wall_clock_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0));  // a clock may stand before 1970
}

std::string_view key_of(std::string_view encoded_job) {
  return ByteReader(encoded_job).take_string();
}

std::uint64_t hash(const Job& job) {
  Hasher hasher;
  hasher.add(static_cast<std::uint64_t>(job.action)).add(job.index).add(job.object).add(job.body);
  hasher.add(job.key).add(job.expires_ms);
  if (job.condition) hasher.add(job.condition->attribute).add(job.condition->equals);
  return hasher.value();
}

Hasher& Hasher::add(std::uint64_t number) {
  for (int i = 0; i < 8; ++i) {
    value_ = (value_ ^ ((number >> (8 * i)) & 0xff)) * 1099511628211ULL;
  }
  return *this;
}

Hasher& Hasher::add(std::string_view text) {
  add(static_cast<std::uint64_t>(text.size()));
  for (const char c : text) value_ = (value_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return *this;
}

std::optional<Json> parse_bounded(std::string_view text) {
  if (nests_deeper(text, max_depth)) return std::nullopt;
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

Status validate(const Job& job) {
  if (job.index.empty()) return fail("the index has no name");
  if (auto valid = validate_name("the index", job.index, max_index_bytes); !valid) return valid;
  if (auto valid = validate_name("the idempotency key", job.key, max_name_bytes); !valid) {
    return valid;
  }
  const bool names_index = job.action == Action::move || job.action == Action::copy;
  if (job.action != Action::clear) {
    if (job.object.empty()) return fail("{} is empty", names_index ? "destination" : "objectID");
    const auto valid = validate_name(names_index ? "destination" : "objectID", job.object,
                                     names_index ? max_index_bytes : max_name_bytes);
    if (!valid) return valid;
  }
  if (job.action == Action::put || job.action == Action::partial) {
    if (auto valid = validate_body(job); !valid) return valid;
  }
  if (!job.condition) return {};
  if (job.action != Action::put) return fail("only a put can have a condition");
  if (!is_utf8(job.condition->attribute)) return fail("ifAttribute is not valid UTF-8");
  if (nests_deeper(job.condition->equals, max_depth) || !Json::accept(job.condition->equals)) {
    return fail("ifEquals is not JSON");
  }
  return {};
}

}  // namespace gameday::search
