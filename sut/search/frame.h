// Frames between nodes: size u32 (of kind and content) | crc32 u32 of the size | crc32 u32 of kind and
// content | kind u8 | content, little-endian. TCP's own checksum is too weak to rely on (Stone and
// Partridge, "When the CRC and TCP Checksum Disagree", SIGCOMM 2000), and a wrong size would have the
// reader wait for megabytes that never come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sut/search/job.h"
#include "sut/search/raft/message.h"

namespace gameday::search {

enum class FrameKind : std::uint8_t { hello, raft, forward, forward_reply };
inline constexpr std::uint8_t frame_kinds = 4;
inline constexpr std::size_t max_frame_bytes = std::size_t{16} << 20;

void put_frame(std::string& out, FrameKind kind, std::string_view content);

// Puts frames together from whatever pieces the network delivers.
class FrameReader {
 public:
  struct Frame {
    FrameKind kind = FrameKind::hello;
    std::string_view content;  // valid until the next feed()
  };

  void feed(std::string_view bytes);
  std::optional<Frame> next();  // nothing: incomplete, malformed or damaged on the way
  bool malformed() const { return malformed_; }

 private:
  std::string buffer_;
  std::size_t taken_ = 0;
  bool malformed_ = false;
};

// The first frame of a connection: who calls.
std::string encode_hello(raft::NodeId id);
std::optional<raft::NodeId> decode_hello(std::string_view content);

// A follower hands writes to the leader. Each write is one request's encoded jobs, which go into
// one entry.
struct Forward {
  std::uint64_t id = 0;  // the follower's; comes back in the reply
  std::vector<std::vector<std::string>> writes;

  bool operator==(const Forward&) const = default;
};
std::string encode(const Forward& forward);
std::optional<Forward> decode_forward(std::string_view content);

// Where a job is in the log. It is acknowledged when the entry at `index` is committed and of
// `term`. index 0: an earlier write with its key was committed as `job` long ago.
struct Place {
  raft::Index index = 0;
  raft::Term term = 0;
  JobId job = 0;

  bool operator==(const Place&) const = default;
};

struct ForwardReply {
  std::uint64_t id = 0;
  bool accepted = false;      // false: nothing was proposed
  std::vector<Place> places;  // of all jobs, write by write

  bool operator==(const ForwardReply&) const = default;
};
std::string encode(const ForwardReply& reply);
std::optional<ForwardReply> decode_forward_reply(std::string_view content);

}  // namespace gameday::search
