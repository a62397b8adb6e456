#include "sut/nats/protocol.h"

#include <charconv>
#include <ctime>

#include "harness/core/json.h"

namespace gameday::nats {
namespace {

constexpr std::size_t kLargest = 64 << 20;
constexpr int kNoStream = 10059;  // err_code (server/errors.json)

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> all;
  while (!line.empty()) {
    const auto end = std::min(line.find(' '), line.size());
    if (end > 0) all.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return all;
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

Result<Announced> parse_announcement(std::string_view line) {
  const auto all = words(line);
  const std::size_t sizes = all.empty() ? 0 : all[0] == "MSG" ? 1 : all[0] == "HMSG" ? 2 : 0;
  if (sizes == 0 || all.size() < 3 + sizes || all.size() > 4 + sizes)
    return fail("no message of NATS: \"{}\"", line);
  const auto size = number(all.back());
  const auto headers = sizes == 2 ? number(all[all.size() - 2]) : 0;
  if (!size || !headers || *size > kLargest || *headers > *size)
    return fail("no message of NATS: \"{}\"", line);
  return Announced{std::string(all[1]), all.size() == 4 + sizes ? std::string(all[3]) : "",
                   *headers, *size};
}

int Message::status() const {
  constexpr std::string_view kVersion = "NATS/1.0 ";
  if (!headers.starts_with(kVersion)) return 0;
  return static_cast<int>(number(std::string_view(headers).substr(kVersion.size(), 3)).value_or(0));
}

// The inbox is named by what the server says of itself and of this connection: there is no other
// like it.
Status Connection::open(Deadline deadline) {
  if (auto opened = tcp_.open(address_, kPort, deadline); !opened) return opened;
  const auto line = tcp_.read_line(deadline);
  if (!line) return tl::make_unexpected(line.error());
  const Json info = parse_json(line->starts_with("INFO ") ? line->substr(5) : "");
  if (!info.is_object()) return tcp_.close(), fail("no server of NATS: \"{}\"", *line);
  inbox_ = fmt::format("_INBOX.{}.{}.", info.value("server_id", ""), info.value("client_id", 0));
  count_ = 0;
  return tcp_.write(fmt::format("CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,"
                                "\"no_responders\":true}}\r\nSUB {}* 1\r\n",
                                inbox_),
                    deadline);
}

Result<Message> Connection::next(Deadline deadline) {
  for (;;) {
    const auto line = tcp_.read_line(deadline);
    if (!line) return tl::make_unexpected(line.error());
    if (*line == "PING")
      if (auto sent = tcp_.write("PONG\r\n", deadline); !sent)
        return tl::make_unexpected(sent.error());
    if (line->starts_with("-ERR")) return fail("{}", *line);
    if (*line == "PING" || *line == "+OK" || line->starts_with("INFO ")) continue;
    const auto announced = parse_announcement(*line);
    if (!announced) return tl::make_unexpected(announced.error());
    auto bytes = tcp_.read(announced->size + 2, deadline);
    if (!bytes) return tl::make_unexpected(bytes.error());
    bytes->resize(announced->size);
    return Message{announced->subject, announced->reply, bytes->substr(0, announced->headers),
                   bytes->substr(announced->headers)};
  }
}

Answers Connection::call(const std::vector<Request>& requests, Deadline deadline) {
  Answers answers;
  const auto failed = [&](const Error& error) {
    tcp_.close();
    answers.error = error.message;
    return std::move(answers);
  };
  if (!tcp_.is_open())
    if (auto opened = open(deadline); !opened) return failed(opened.error());
  std::string bytes;
  const std::size_t first = count_;
  for (const auto& [subject, body, headers] : requests) {
    bytes +=
        fmt::format("{} {} {}{} ", headers.empty() ? "PUB" : "HPUB", subject, inbox_, count_++);
    if (!headers.empty()) bytes += fmt::format("{} ", headers.size());
    bytes += fmt::format("{}\r\n{}{}\r\n", headers.size() + body.size(), headers, body);
  }
  answers.sent = true;
  if (auto sent = tcp_.write(bytes, deadline); !sent) return failed(sent.error());
  std::vector<std::optional<Message>> all(requests.size());
  for (std::size_t left = all.size(); left > 0;) {
    auto message = next(deadline);
    if (!message) return failed(message.error());
    auto to = std::ranges::find_if(all, [](const auto& there) { return !there; });
    if (message->subject.starts_with(inbox_)) {
      const auto at = number(std::string_view(message->subject).substr(inbox_.size()));
      if (!at || *at < first || *at - first >= all.size()) continue;
      to = all.begin() + static_cast<std::ptrdiff_t>(*at - first);
    }
    if (to == all.end() || *to) continue;
    *to = std::move(*message);
    --left;
  }
  for (auto& message : all) answers.all.push_back(std::move(*message));
  return answers;
}

Result<Json> stream_state(Connection& server, Deadline deadline) {
  const Answers answers =
      server.call({{"$JS.API.STREAM.INFO." + std::string(kStream), ""}}, deadline);
  if (!answers.ok()) return fail("{}", answers.error);
  const Json told = parse_json(answers.all[0].body);
  if (!told.is_object()) return fail("status {}", answers.all[0].status());
  if (const auto error = told.find("error"); error != told.end()) {
    if (error->value("err_code", 0) == kNoStream) return Json();
    return fail("{}", error->dump());
  }
  return told.value("state", Json::object());
}

std::optional<std::int64_t> parse_time(const std::string& text) {
  std::tm at{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &at);
  if (rest == nullptr || !text.ends_with('Z')) return std::nullopt;
  std::int64_t fraction = 0;
  if (*rest == '.') ++rest;
  for (int digit = 0; digit < 9; ++digit)
    fraction = fraction * 10 + (*rest >= '0' && *rest <= '9' ? *rest++ - '0' : 0);
  return ::timegm(&at) * 1'000'000'000 + fraction;
}

}  // namespace gameday::nats
