#include "sut/ovsdb/rpc.h"

#include <algorithm>

namespace gameday::ovsdb {
namespace {

// Where the first JSON object of the text ends; npos: not yet.
std::size_t end_of_object(const std::string& text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string::npos;
}

// A wait that is not met, a unique key that is there already: the transaction was given up (RFC
// 7047, 5.2.6).
bool refused(const std::string& error) {
  return error == "timed out" || error == "constraint violation";
}

}  // namespace

Result<Json> Connection::receive(Deadline deadline) {
  for (;;) {
    if (const auto end = end_of_object(buffer_); end != std::string::npos) {
      Json json = parse_json(std::string_view(buffer_).substr(0, end));
      buffer_.erase(0, end);
      if (!json.is_object()) return fail("an answer that is no JSON");
      return json;
    }
    auto more = tcp_.read_some(deadline);
    if (!more) return tl::make_unexpected(more.error());
    buffer_ += *more;
  }
}

Answer Connection::transact(const char* database, const Json& operations, bool effect,
                            Deadline deadline) {
  if (!tcp_.is_open()) {
    buffer_.clear();
    if (auto open = tcp_.open(address_, kPort, deadline); !open)
      return {OpType::fail, nullptr, open.error().message};
  }
  const OpType unknown = effect ? OpType::info : OpType::fail;
  Json params = Json::array({database});
  params.insert(params.end(), operations.begin(), operations.end());
  const Json request = {{"method", "transact"}, {"params", std::move(params)}, {"id", ++id_}};
  if (auto sent = tcp_.write(request.dump(), deadline); !sent)
    return {unknown, nullptr, sent.error().message};
  for (;;) {
    auto message = receive(deadline);
    if (!message) {
      tcp_.close();
      return {unknown, nullptr, message.error().message};
    }
    if (message->value("method", Json()) == "echo") {  // whoever does not answer is disconnected
      const Json reply = {
          {"id", (*message)["id"]}, {"result", (*message)["params"]}, {"error", nullptr}};
      (void)tcp_.write(reply.dump(), deadline);
      continue;
    }
    if (message->value("id", Json()) != id_) continue;
    if (const Json error = message->value("error", Json()); !error.is_null())
      return {unknown, nullptr, error.dump()};
    Answer answer{OpType::ok, message->value("result", Json::array()), ""};
    for (const Json& result : answer.results) {
      const std::string error =
          result.is_object() ? result.value("error", std::string()) : std::string();
      if (!error.empty())
        return {refused(error) ? OpType::fail : unknown, nullptr,
                error + " " + result.value("details", std::string())};
    }
    return answer;
  }
}

}  // namespace gameday::ovsdb
