#include "sut/search/frame.h"


#include "sut/search/bytes.h"

namespace gameday::search {
namespace {

constexpr std::string_view protocol = "searchd-peer-2";
constexpr std::size_t place_bytes = 24;
constexpr std::size_t frame_header_bytes = 12;

}  // namespace

void put_frame(std::string& out, FrameKind kind, std::string_view content) {
  const std::size_t begin = out.size();
  put(out, static_cast<std::uint32_t>(content.size() + 1));
  put(out, checksum(std::string_view(out).substr(begin)));
  const std::size_t crc_at = out.size();
  put(out, std::uint32_t{0});
  put(out, static_cast<std::uint8_t>(kind));
  out += content;
  std::string crc;
  put(crc, checksum(std::string_view(out).substr(begin + frame_header_bytes)));
  out.replace(crc_at, crc.size(), crc);
}

void FrameReader::feed(std::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_ += bytes;
}

std::optional<FrameReader::Frame> FrameReader::next() {
  if (malformed_) return std::nullopt;
  const std::string_view bytes = std::string_view(buffer_).substr(taken_);
  ByteReader in(bytes);
  const auto size = in.take<std::uint32_t>();
  const auto size_crc = in.take<std::uint32_t>();
  const auto crc = in.take<std::uint32_t>();
  if (!in.ok()) return std::nullopt;
  malformed_ = size == 0 || size > max_frame_bytes || checksum(bytes.substr(0, 4)) != size_crc;
  if (malformed_ || in.left() < size) return std::nullopt;
  malformed_ = checksum(bytes.substr(frame_header_bytes, size)) != crc;
  const auto kind = in.take<std::uint8_t>();
  malformed_ = malformed_ || kind >= frame_kinds;
  if (malformed_) return std::nullopt;
  taken_ += frame_header_bytes + std::size_t{size};
  return Frame{.kind = static_cast<FrameKind>(kind), .content = in.take_bytes(size - 1)};
}

std::string encode_hello(raft::NodeId id) {
  std::string out(protocol);
  put(out, id);
  return out;
}

std::optional<raft::NodeId> decode_hello(std::string_view content) {
  ByteReader in(content);
  if (in.take_bytes(protocol.size()) != protocol) return std::nullopt;
  const auto id = in.take<raft::NodeId>();
  if (!in.done()) return std::nullopt;
  return id;
}

std::string encode(const Forward& forward) {
  std::string out;
  put(out, forward.id);
  put(out, static_cast<std::uint32_t>(forward.writes.size()));
  for (const auto& jobs : forward.writes) {
    put(out, static_cast<std::uint32_t>(jobs.size()));
    for (const std::string& job : jobs) put_string(out, job);
  }
  return out;
}

std::optional<Forward> decode_forward(std::string_view content) {
  ByteReader in(content);
  Forward forward;
  forward.id = in.take<std::uint64_t>();
  const auto writes = in.take<std::uint32_t>();
  for (std::uint32_t i = 0; in.ok() && i < writes; ++i) {
    auto& jobs = forward.writes.emplace_back();
    const auto count = in.take<std::uint32_t>();
    for (std::uint32_t j = 0; in.ok() && j < count; ++j) jobs.emplace_back(in.take_string());
  }
  if (!in.done()) return std::nullopt;
  return forward;
}

std::string encode(const ForwardReply& reply) {
  std::string out;
  put(out, reply.id);
  put(out, static_cast<std::uint8_t>(reply.accepted ? 1 : 0));
  put(out, static_cast<std::uint32_t>(reply.places.size()));
  for (const Place& place : reply.places) {
    put(out, place.index);
    put(out, place.term);
    put(out, place.job);
  }
  return out;
}

std::optional<ForwardReply> decode_forward_reply(std::string_view content) {
  ByteReader in(content);
  ForwardReply reply;
  reply.id = in.take<std::uint64_t>();
  reply.accepted = in.take<std::uint8_t>() != 0;
  const auto count = in.take<std::uint32_t>();
  if (!in.ok() || count != in.left() / place_bytes) return std::nullopt;
  for (std::uint32_t i = 0; i < count; ++i) {
    Place place;
    place.index = in.take<raft::Index>();
    place.term = in.take<raft::Term>();
    place.job = in.take<JobId>();
    reply.places.push_back(place);
  }
  if (!in.done()) return std::nullopt;
  return reply;
}

}  // namespace gameday::search
