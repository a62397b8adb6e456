#include "harness/core/op.h"

#include <fmt/format.h>

namespace gameday {

std::string_view to_string(OpType type) {
  switch (type) {
    case OpType::invoke: return "invoke";
    case OpType::ok: return "ok";
    case OpType::fail: return "fail";
    case OpType::info: return "info";
  }
  return "info";
}

std::optional<OpType> parse_op_type(std::string_view text) {
  for (OpType t : {OpType::invoke, OpType::ok, OpType::fail, OpType::info})
    if (text == to_string(t)) return t;
  return std::nullopt;
}

Json to_json(const Op& op) {
  Json j = Json::object();
  j["index"] = op.index;
  j["time"] = op.time;
  if (op.process == kNemesis) {
    j["process"] = "nemesis";
  } else {
    j["process"] = op.process;
  }
  j["type"] = to_string(op.type);
  j["f"] = op.f;
  j["value"] = op.value;
  if (!op.node.empty()) j["node"] = op.node;
  if (!op.error.empty()) j["error"] = op.error;
  return j;
}

std::string describe(const Op& op) {
  const std::string who =
      op.process == kNemesis ? "nemesis" : fmt::format("process {}", op.process);
  std::string value = op.value.is_null() ? "" : " " + op.value.dump();
  if (value.size() > 160) value = value.substr(0, 157) + "...";
  std::string text = fmt::format("{}: {}{} {}", who, op.f, value, to_string(op.type));
  if (!op.node.empty()) text += " on " + op.node;
  if (!op.error.empty()) text += " (" + op.error + ")";
  return text;
}

}  // namespace gameday
