#include "sut/redis/resp.h"

#include <cstdlib>

namespace gameday::redis {
namespace {

constexpr int kDeepest = 8;
constexpr std::int64_t kLargest = 64 << 20;

Result<Json> read_reply(sut::Connection& tcp, Deadline deadline, int depth = 0) {
  const auto line = tcp.read_line(deadline);
  if (!line) return tl::make_unexpected(line.error());
  if (line->empty() || depth > kDeepest) return fail("no reply of Redis: \"{}\"", *line);
  const std::string rest = line->substr(1);
  const std::int64_t count = std::strtoll(rest.c_str(), nullptr, 10);
  switch ((*line)[0]) {
    case '+':
      return Json(rest);
    case '-':
      return Json{{"error", rest}};
    case ':':
      return Json(count);
    case '$': {
      if (count < 0) return Json();
      if (count > kLargest) return fail("a reply of {} bytes", count);
      auto text = tcp.read(static_cast<std::size_t>(count) + 2, deadline);
      if (!text) return tl::make_unexpected(text.error());
      text->resize(static_cast<std::size_t>(count));
      return Json(std::move(*text));
    }
    case '*': {
      if (count < 0) return Json();
      Json array = Json::array();
      for (std::int64_t i = 0; i < count; ++i) {
        auto element = read_reply(tcp, deadline, depth + 1);
        if (!element) return element;
        array.push_back(std::move(*element));
      }
      return array;
    }
    default:
      return fail("no reply of Redis: \"{}\"", *line);
  }
}

}  // namespace

Reply Connection::call(const std::vector<Command>& commands, Deadline deadline) {
  Reply reply;
  if (!tcp_.is_open())
    if (auto open = tcp_.open(address_, port_, deadline); !open) {
      reply.error = open.error().message;
      return reply;
    }
  std::string bytes;
  for (const auto& command : commands) {
    bytes += fmt::format("*{}\r\n", command.size());
    for (const auto& word : command) bytes += fmt::format("${}\r\n{}\r\n", word.size(), word);
  }
  reply.sent = true;
  if (auto written = tcp_.write(bytes, deadline); !written) {
    reply.error = written.error().message;
    return reply;
  }
  for (std::size_t i = 0; i < commands.size(); ++i) {
    auto value = read_reply(tcp_, deadline);
    if (!value) {
      tcp_.close();  // what comes next would be read as the answer to something else
      reply.error = value.error().message;
      return reply;
    }
    if (reply.error.empty() && value->is_object())
      reply.error = (*value)["error"].get<std::string>();
    reply.value = std::move(*value);
  }
  return reply;
}

std::map<std::string, std::string> parse_info(const std::string& text) {
  std::map<std::string, std::string> fields;
  for (std::size_t from = 0; from < text.size();) {
    const auto to = std::min(text.find("\r\n", from), text.size());
    const std::string line = text.substr(from, to - from);
    if (const auto colon = line.find(':'); colon != std::string::npos)
      fields[line.substr(0, colon)] = line.substr(colon + 1);
    from = to + 2;
  }
  return fields;
}

}  // namespace gameday::redis
