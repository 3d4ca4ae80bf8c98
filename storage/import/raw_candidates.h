#pragma once
// The ways in which raw files of known sizes can be read.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/import/scalar_kind.h"

namespace nestor::storage {

struct RawReading {
  std::uint64_t rows = 0;
  std::uint64_t dim = 0;
  ScalarKind keys = ScalarKind::float32;
  std::optional<ScalarKind> values;

  bool operator==(const RawReading&) const = default;
};

// "103225485 x 1024 float16 keys, int32 values"
std::string describe(const RawReading& reading);

struct RawSizes {
  std::uint64_t keys = 0;               // bytes
  std::optional<std::uint64_t> values;  // bytes
};

// What is known; at least one of rows and dim, or nothing but usual dims (256, 512, 768, 1024, ...) is tried.
struct RawKnowledge {
  std::optional<std::uint64_t> rows;
  std::optional<std::uint64_t> dim;
  std::optional<ScalarKind> key_kind, value_kind;
};

// Every reading that fits both sizes exactly. Two bytes a coordinate are float16 unless key_kind says bfloat16.
std::vector<RawReading> raw_readings(const RawSizes& sizes, const RawKnowledge& known);

}  // namespace nestor::storage
