#include "index/types.h"

#include <algorithm>
#include <cmath>

#include "index/error.h"

namespace nestor::index {
namespace {

[[noreturn]] void unknown_word(std::string_view what, std::string_view text, std::string_view allowed) {
  throw Error(ErrorCode::invalid_argument, "unknown " + std::string(what) + " \"" + std::string(text) +
                                               "\", expected one of: " + std::string(allowed));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string_view to_string(Metric metric) {
  switch (metric) {
    case Metric::l2: return "l2";
    case Metric::dot: return "dot";
    case Metric::cosine: return "cosine";
  }
  return "unknown";
}

std::string_view to_string(ScalarType type) { return type == ScalarType::float32 ? "float32" : "float16"; }

std::string_view to_string(Rotation rotation) { return rotation == Rotation::none ? "none" : "pca"; }

Metric parse_metric(std::string_view text) {
  for (const Metric m : {Metric::l2, Metric::dot, Metric::cosine})
    if (text == to_string(m)) return m;
  unknown_word("metric", text, "l2, dot, cosine");
}

ScalarType parse_scalar_type(std::string_view text) {
  for (const ScalarType t : {ScalarType::float32, ScalarType::float16})
    if (text == to_string(t)) return t;
  unknown_word("scalar type", text, "float32, float16");
}

Rotation parse_rotation(std::string_view text) {
  for (const Rotation r : {Rotation::none, Rotation::pca})
    if (text == to_string(r)) return r;
  unknown_word("rotation", text, "none, pca");
}

std::string_view to_string(SyncPolicy policy) { return policy == SyncPolicy::interval ? "interval" : "every_write"; }

SyncPolicy parse_sync_policy(std::string_view text) {
  for (const SyncPolicy p : {SyncPolicy::every_write, SyncPolicy::interval})
    if (text == to_string(p)) return p;
  unknown_word("sync policy", text, "every_write, interval");
}

std::string_view to_string(WalkCodes codes) {
  switch (codes) {
    case WalkCodes::automatic: return "auto";
    case WalkCodes::whole: return "whole";
    case WalkCodes::leading_bits: return "leading_bits";
  }
  return "unknown";
}

WalkCodes parse_walk_codes(std::string_view text) {
  for (const WalkCodes c : {WalkCodes::automatic, WalkCodes::whole, WalkCodes::leading_bits})
    if (text == to_string(c)) return c;
  unknown_word("walk codes", text, "auto, whole, leading_bits");
}

float score_from_distance(Metric metric, float distance) {
  switch (metric) {
    case Metric::l2: return std::sqrt(distance > 0 ? distance : 0.0f);
    case Metric::dot: return -distance;
    case Metric::cosine:  // rounding goes a little beyond; infinity stands for no row
      return std::isinf(distance) ? -distance : std::clamp(1.0f - distance, -1.0f, 1.0f);
  }
  return distance;
}

std::optional<PointId> PointId::parse_uuid(std::string_view text) {
  if (text.starts_with("urn:uuid:")) text.remove_prefix(9);
  const bool hyphens = text.size() == 36;
  if (!hyphens && text.size() != 32) return std::nullopt;
  PointId id{true, 0, 0};
  int digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (hyphens && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = hex_digit(text[i]);
    if (value < 0) return std::nullopt;
    std::uint64_t& half = digits < 16 ? id.high : id.low;
    half = (half << 4) | static_cast<std::uint64_t>(value);
    ++digits;
  }
  return id;
}

PointId PointId::uuid(std::string_view text) {
  if (const auto id = parse_uuid(text)) return *id;
  throw Error(ErrorCode::invalid_argument,
              "\"" + std::string(text.substr(0, 64)) + "\" is not a UUID (expected 8-4-4-4-12 hexadecimal digits)");
}

std::string to_string(const PointId& id) {
  if (!id.is_uuid) return std::to_string(id.low);
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
    const std::uint64_t half = i < 16 ? id.high : id.low;
    text += kDigits[(half >> (60 - 4 * (i % 16))) & 15];
  }
  return text;
}

}  // namespace nestor::index
