// Histories as text, written fast: one buffer, numbers without a format string.
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace gameday::bench {

enum class Layout {
  jsonl,  // {"index":0,"time":123,"process":3,"type":"invoke","f":"write","value":5}
  edn,    // {:index 0, :time 123, :process 3, :type :invoke, :f :write, :value 5}
  etcd,   // INFO  jepsen.util - 3 :invoke :write 5, with tabs: Porcupine's logs of etcd
};

class Text {
 public:
  Text(std::FILE* file, Layout layout)
      : file_(file), layout_(layout), buffer_(std::size_t{1} << 20) {}
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  Layout layout() const { return layout_; }
  bool json() const { return layout_ == Layout::jsonl; }

  void put(std::string_view text) {
    if (text.size() > buffer_.size() - used_) flush();
    if (text.size() > buffer_.size()) return write(text.data(), text.size());
    std::memcpy(buffer_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void put(char c) { put(std::string_view(&c, 1)); }
  void number(std::int64_t value) {
    std::array<char, 24> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    put(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  }
  // What differs between the layouts inside a value.
  void null() { put(json() ? "null" : "nil"); }
  void comma() { put(json() ? ',' : ' '); }
  void keyword(std::string_view name) {
    put(json() ? '"' : ':');
    put(name);
    if (json()) put('"');
  }

  void flush() {
    write(buffer_.data(), used_);
    used_ = 0;
  }

 private:
  void write(const char* data, std::size_t size) {
    if (std::fwrite(data, 1, size, file_) != size)
      throw std::runtime_error("cannot write the history");
  }

  std::FILE* file_;
  Layout layout_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
};

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): one seed gives the same history everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }
  bool coin() { return (next() >> 63) != 0; }

 private:
  std::uint64_t state_;
};

}  // namespace gameday::bench
