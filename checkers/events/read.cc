#include "checkers/events/read.h"

#include "checkers/events/reader.h"

namespace gameday {
namespace {

constexpr std::pair<Format, std::string_view> kFormats[] = {
    {Format::automatic, "auto"}, {Format::jsonl, "jsonl"}, {Format::json, "json"}, {Format::edn, "edn"},
    {Format::text, "text"},      {Format::etcd, "etcd"},   {Format::kv, "kv"},
    {Format::awdit, "awdit"}};

}  // namespace

std::string_view to_string(Format format) {
  for (const auto& [known, name] : kFormats)
    if (known == format) return name;
  return "auto";
}

std::optional<Format> parse_format(std::string_view name) {
  for (const auto& [format, known] : kFormats)
    if (known == name) return format;
  return std::nullopt;
}

Result<Events> read_events(const std::filesystem::path& file, const ReadOptions& options) {
  auto input = reading::open_input(file);
  if (!input) return tl::make_unexpected(input.error());
  return reading::read_all(**input, file == "-" ? "standard input" : file.string(), options, {});
}

Result<Events> parse_events(std::string_view text, std::string_view name, const ReadOptions& options) {
  auto input = reading::open_input(text);
  if (!input) return tl::make_unexpected(input.error());
  return reading::read_all(**input, std::string(name), options, {});
}

}  // namespace gameday
