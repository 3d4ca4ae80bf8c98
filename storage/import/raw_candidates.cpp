#include "storage/import/raw_candidates.h"

#include <algorithm>

#include "index/options.h"

namespace nestor::storage {
namespace {

constexpr std::uint64_t kUsualDims[] = {64, 128, 256, 384, 512, 640, 768, 1024, 1280, 1536, 1600, 2048, 3072, 4096};

std::vector<ScalarKind> key_kinds(const RawKnowledge& known) {
  if (known.key_kind) return {*known.key_kind};
  return {ScalarKind::float32, ScalarKind::float16};
}

// The integer kind of the values, or nullopt when their size fits none; `ok` tells the two apart from "no values".
bool fit_values(const RawSizes& sizes, const RawKnowledge& known, RawReading& reading) {
  if (!sizes.values) return true;
  if (reading.rows == 0 || *sizes.values % reading.rows != 0) return false;
  const std::uint64_t bytes = *sizes.values / reading.rows;
  if (known.value_kind) {
    reading.values = known.value_kind;
    return size_of(*known.value_kind) == bytes;
  }
  for (const ScalarKind kind : {ScalarKind::int16, ScalarKind::int32, ScalarKind::int64}) {
    if (size_of(kind) != bytes) continue;
    reading.values = kind;
    return true;
  }
  return false;
}

void add(std::vector<RawReading>& out, RawReading reading, const RawSizes& sizes, const RawKnowledge& known) {
  if (reading.rows == 0 || reading.dim == 0 || reading.dim > index::kMaxDim) return;
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(reading.rows, reading.dim, &bytes) ||
      __builtin_mul_overflow(bytes, std::uint64_t{size_of(reading.keys)}, &bytes) || bytes != sizes.keys)
    return;
  if (!fit_values(sizes, known, reading)) return;
  if (std::find(out.begin(), out.end(), reading) == out.end()) out.push_back(reading);
}

}  // namespace

std::string describe(const RawReading& reading) {
  std::string text = std::to_string(reading.rows) + " x " + std::to_string(reading.dim) + " " +
                     std::string(to_string(reading.keys)) + " keys";
  if (reading.values) text += ", " + std::string(to_string(*reading.values)) + " values";
  return text;
}

std::vector<RawReading> raw_readings(const RawSizes& sizes, const RawKnowledge& known) {
  std::vector<RawReading> out;
  for (const ScalarKind kind : key_kinds(known)) {
    const std::uint64_t numbers = sizes.keys / size_of(kind);
    if (known.rows && known.dim) {
      add(out, {*known.rows, *known.dim, kind, {}}, sizes, known);
    } else if (known.rows && *known.rows > 0) {
      add(out, {*known.rows, numbers / *known.rows, kind, {}}, sizes, known);
    } else if (known.dim && *known.dim > 0) {
      add(out, {numbers / *known.dim, *known.dim, kind, {}}, sizes, known);
    } else {
      for (const std::uint64_t dim : kUsualDims) add(out, {numbers / dim, dim, kind, {}}, sizes, known);
    }
  }
  return out;
}

}  // namespace nestor::storage
