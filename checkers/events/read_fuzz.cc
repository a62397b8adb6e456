// What must hold of any text in any format: reading it ends, in rows or in an error, and reading it in
// small blocks on several threads gives the same rows or the same error as reading it at once.
#include "checkers/events/read_fuzz.h"

#include <cstdio>
#include <cstdlib>

#include "checkers/events/input.h"
#include "checkers/events/reader.h"

namespace gameday::reading {

std::string dump(const Events& events) {
  std::string text;
  for (std::size_t i = 0; i < events.size(); ++i)
    text += fmt::format("{} {} {} {} {} time {} index {} other {}\n", events.process_name(events.process(i)),
                        to_string(events.type(i)), events.name_text(events.f(i)),
                        events.values().edn(events.value(i)), events.values().edn(events.extra(i)),
                        events.time(i), events.index(i), events.other(i));
  return text;
}

std::string read_dump(std::string_view text, Format format, unsigned threads, const Sizes& sizes) {
  ReadOptions options;
  options.format = format;
  options.threads = threads;
  options.memory_bytes = std::size_t{256} << 20;
  auto input = open_input(text);
  if (!input) return input.error().message;
  const auto events = read_all(**input, "fuzz", options, sizes);
  return events ? dump(*events) : events.error().message;
}

}  // namespace gameday::reading

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace gameday;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Format format : {Format::automatic, Format::jsonl, Format::json, Format::edn, Format::text,
                              Format::etcd, Format::kv, Format::awdit}) {
    const std::string whole = reading::read_dump(text, format, 1, {});
    // What is wrong first, the archive or the text in it, depends on how much is read at a time.
    if (text.starts_with("\x1f\x8b") || text.starts_with("\x28\xb5\x2f\xfd")) continue;
    for (const unsigned threads : {1u, 2u}) {
      // What a format is sniffed from is the first block.
      if (format == Format::automatic) continue;
      const std::string blocks = reading::read_dump(text, format, threads, {48, 1});
      if (blocks == whole) continue;
      fmt::print(stderr, "{}, {} threads:\n{}\nat once:\n{}\n", to_string(format), threads, blocks, whole);
      std::abort();
    }
  }
  return 0;
}
