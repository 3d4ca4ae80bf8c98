#pragma once
// What a payload has to be, at every door: the text of one JSON object by the letter of RFC 8259 (see json_text.h), not
// nested too deeply and not too long. Checked where points are written, so that whoever reads a payload can rely on it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "index/types.h"

namespace nestor::index {

inline constexpr std::size_t kMaxPayloadDepth = 128;  // lists and objects inside each other
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{32} << 20;
// The payload field that is a point's kNN-LM value, when it holds an integer of 0..kMaxToken.
inline constexpr std::string_view kTokenField = "token";
// 2^32 - 1 is taken: rows without a value are marked by it.
inline constexpr std::uint64_t kMaxToken = 0xFFFFFFFE;

// The value of a point with this payload (empty: none) and, perhaps, a value that came beside it.
// Throws Error invalid_argument naming the point: for what is no payload, for a value above kMaxToken, and for a token
// field that says something else than the value.
std::optional<std::uint32_t> check_payload(const PointId& id, std::string_view payload,
                                           std::optional<std::uint32_t> value);

// Why a stored text cannot be read as a payload; empty: it can. Older versions stored what Python gave them. Texts may
// be nested more deeply than what is written today.
std::string payload_trouble(std::string_view payload);

}  // namespace nestor::index
