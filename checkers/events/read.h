// Reads histories in the formats of the field.
#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <string_view>

#include "checkers/events/events.h"

namespace gameday {

enum class Format {
  automatic,  // by content
  jsonl,      // one JSON object a line: gameday's history.jsonl, and JSON Lines of anybody
  json,       // elle-cli's: one array of objects
  edn,        // Jepsen's: op maps one after another, or one vector or list of them
  text,       // Jepsen's history.txt: process, type, f, value and error between tabs
  etcd,       // Porcupine's logs of etcd: "INFO  jepsen.util - 3 :invoke :write 4"
  awdit,      // AWDIT's: "w KEY VALUE" and "r KEY VALUE", "---" between transactions, "===" between
              // sessions. Sessions come one after another, and who overlapped whom is not known, so
              // only models that judge by session (causal consistency and weaker) say anything of it
  kv,         // Porcupine's logs of a key-value store: {:process 0, :type :invoke, :f :put, ...}
};
std::string_view to_string(Format format);
std::optional<Format> parse_format(std::string_view name);  // "auto", "jsonl", "json", ...

struct ReadOptions {
  Format format = Format::automatic;
  unsigned threads = 0;                       // 0: as many as the machine has
  std::size_t memory_bytes = 0;               // 0: three quarters of what is free now
  const std::atomic<bool>* stop = nullptr;    // set: give up
  std::atomic<bool>* out_of_memory = nullptr;  // set where memory, not the file, is the error
};

// Reads a file, or standard input for "-"; gzip and zstd are unpacked as they are read. Errors say
// file, line, column and what was expected there. Pairs are made (Events::pair_up).
Result<Events> read_events(const std::filesystem::path& file, const ReadOptions& options = {});
// The same from memory; `name` stands for the file in errors.
Result<Events> parse_events(std::string_view text, std::string_view name = "history",
                            const ReadOptions& options = {});

}  // namespace gameday
