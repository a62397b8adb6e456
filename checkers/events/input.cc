#include "checkers/events/input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gameday::reading {

Result<std::size_t> Input::fill(char* to, std::size_t n) {
  std::size_t have = 0;
  while (have < n) {
    const auto got = read(to + have, n - have);
    if (!got) return got;
    if (*got == 0) break;
    have += *got;
  }
  return have;
}

namespace {

// Pages of the file that the kernel maps count as memory of the process, so it is read, not mapped.
class FileInput final : public Input {
 public:
  FileInput(int fd, bool owned, std::size_t size) : fd_(fd), owned_(owned) { size_ = size; }
  ~FileInput() override {
    if (owned_) close(fd_);
  }

 private:
  Result<std::size_t> read(char* to, std::size_t n) override {
    for (;;) {
      const ssize_t got = ::read(fd_, to, std::min(n, std::size_t{1} << 30));
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return fail_errno("reading");
    }
  }

  int fd_;
  bool owned_;
};

class MemoryInput final : public Input {
 public:
  explicit MemoryInput(std::string_view text) : text_(text) { size_ = text.size(); }

 private:
  Result<std::size_t> read(char* to, std::size_t n) override {
    n = std::min(n, text_.size());
    if (n > 0) std::memcpy(to, text_.data(), n);
    text_.remove_prefix(n);
    return n;
  }

  std::string_view text_;
};

// Gives back what was read to look at the first bytes.
class Unpacking : public Input {
 public:
  explicit Unpacking(std::unique_ptr<Input> from) : from_(std::move(from)) {
    if (from_ != nullptr) size_ = from_->size();
  }
  // The first bytes, left to be read.
  Result<std::string_view> peek() {
    if (const auto more = refill(); !more) return tl::make_unexpected(more.error());
    return left_;
  }
  void take_over(Unpacking& other) {
    size_ = other.size_;
    buffer_ = std::move(other.buffer_);
    left_ = other.left_;
    from_ = std::move(other.from_);
  }

 protected:
  Result<bool> refill() {  // false: the end
    if (!left_.empty()) return true;
    constexpr std::size_t kBuffer = 1 << 16;
    if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
    const auto got = from_->fill(buffer_.get(), kBuffer);
    if (!got) return tl::make_unexpected(got.error());
    left_ = {buffer_.get(), *got};
    return *got > 0;
  }

  std::unique_ptr<Input> from_;
  std::unique_ptr<char[]> buffer_;
  std::string_view left_;
};

class PlainInput final : public Unpacking {
 public:
  using Unpacking::Unpacking;

 private:
  Result<std::size_t> read(char* to, std::size_t n) override {
    if (left_.empty()) return from_->fill(to, n);
    n = std::min(n, left_.size());
    std::memcpy(to, left_.data(), n);
    left_.remove_prefix(n);
    return n;
  }
};

class GzipInput final : public Unpacking {
 public:
  using Unpacking::Unpacking;
  ~GzipInput() override {
    if (open_) inflateEnd(&stream_);
  }

 private:
  Result<std::size_t> read(char* to, std::size_t n) override {
    packed_ = true;
    n = std::min(n, std::size_t{1} << 30);
    for (;;) {
      const auto more = refill();
      if (!more) return tl::make_unexpected(more.error());
      if (!open_) {
        if (!*more) return 0;
        // What follows the last member is padding if it does not begin as a member does (gzip(1)).
        if (members_ > 0 && static_cast<unsigned char>(left_[0]) != 0x1f) return skip_padding();
        stream_ = {};
        if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw std::bad_alloc();
        open_ = true;
      }
      if (!*more) return fail("the gzip archive is cut off in its member {}", members_ + 1);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(left_.data()));
      stream_.avail_in = static_cast<uInt>(left_.size());
      stream_.next_out = reinterpret_cast<Bytef*>(to);
      stream_.avail_out = static_cast<uInt>(n);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      left_.remove_prefix(left_.size() - stream_.avail_in);
      if (result == Z_MEM_ERROR) throw std::bad_alloc();
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return fail("the gzip archive is damaged: {}", stream_.msg != nullptr ? stream_.msg : "bad data");
      if (result == Z_STREAM_END) {
        inflateEnd(&stream_);
        open_ = false;
        ++members_;
      }
      if (const std::size_t got = n - stream_.avail_out; got > 0) return got;
    }
  }

  Result<std::size_t> skip_padding() {
    for (;;) {
      if (std::any_of(left_.begin(), left_.end(), [](char c) { return c != 0; }))
        return fail("the gzip archive has something else behind its last member");
      left_ = {};
      const auto more = refill();
      if (!more) return tl::make_unexpected(more.error());
      if (!*more) return 0;
    }
  }

  z_stream stream_{};
  bool open_ = false;
  int members_ = 0;
};

class ZstdInput final : public Unpacking {
 public:
  using Unpacking::Unpacking;
  ~ZstdInput() override { ZSTD_freeDStream(stream_); }

 private:
  Result<std::size_t> read(char* to, std::size_t n) override {
    packed_ = true;
    if (stream_ == nullptr && (stream_ = ZSTD_createDStream()) == nullptr) throw std::bad_alloc();
    for (;;) {
      const auto more = refill();
      if (!more) return tl::make_unexpected(more.error());
      ZSTD_inBuffer in{left_.data(), left_.size(), 0};
      ZSTD_outBuffer out{to, n, 0};
      if (!*more && between_) return 0;
      const std::size_t result = ZSTD_decompressStream(stream_, &out, &in);
      if (ZSTD_isError(result)) return fail("the zstd archive is damaged: {}", ZSTD_getErrorName(result));
      left_.remove_prefix(in.pos);
      between_ = result == 0;
      if (out.pos > 0) return out.pos;
      if (!*more && !between_) return fail("the zstd archive is cut off");
    }
  }

  ZSTD_DStream* stream_ = nullptr;
  bool between_ = true;  // frames: it may end here
};

template <typename T>
Result<std::unique_ptr<Input>> unpacked(Unpacking& looked_at) {
  auto input = std::make_unique<T>(nullptr);
  input->take_over(looked_at);
  return input;
}

Result<std::unique_ptr<Input>> unpack(std::unique_ptr<Input> raw) {
  auto plain = std::make_unique<PlainInput>(std::move(raw));
  const auto first = plain->peek();
  if (!first) return tl::make_unexpected(first.error());
  if (first->starts_with("\x1f\x8b")) return unpacked<GzipInput>(*plain);
  if (first->starts_with("\x28\xb5\x2f\xfd")) return unpacked<ZstdInput>(*plain);
  return plain;
}

}  // namespace

Result<std::unique_ptr<Input>> open_input(const std::filesystem::path& file) {
  if (file == "-") return unpack(std::make_unique<FileInput>(STDIN_FILENO, false, 0));
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail_errno(file.string());
  struct stat status {};
  const bool known = fstat(fd, &status) == 0;
  auto raw = std::make_unique<FileInput>(
      fd, true, known && S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) : 0);
  if (known && S_ISDIR(status.st_mode)) return fail("{} is a directory, not a history", file.string());
  return unpack(std::move(raw));
}

Result<std::unique_ptr<Input>> open_input(std::string_view text) {
  return unpack(std::make_unique<MemoryInput>(text));
}

}  // namespace gameday::reading
