// The slow, obvious twin of every kernel. Runs everywhere; the tests hold the others against it.
#include <cstring>

#include "index/simd/kernels.h"

namespace nestor::index::simd {
namespace {

float float_from_half(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  std::uint32_t exponent = (h >> 10) & 0x1Fu;
  std::uint32_t mantissa = h & 0x3FFu;
  std::uint32_t bits = 0;
  if (exponent == 31) {
    bits = sign | 0x7F800000u | (mantissa << 13);
  } else if (exponent != 0) {
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else if (mantissa != 0) {  // subnormal half: normalise
    exponent = 113;
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --exponent;
    }
    bits = sign | (exponent << 23) | ((mantissa & 0x3FFu) << 13);
  } else {
    bits = sign;
  }
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

std::uint16_t half_from_float(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint16_t sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude >= 0x7F800000u) return sign | (magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u);
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;  // rounds above 65504
  if (magnitude < 0x38800000u) {                        // subnormal half or zero
    if (magnitude < 0x33000000u) return sign;
    const std::uint32_t shift = 126 - (magnitude >> 23);
    const std::uint32_t mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
    std::uint32_t half = mantissa >> shift;
    const std::uint32_t rest = mantissa & ((1u << shift) - 1), middle = 1u << (shift - 1);
    if (rest > middle || (rest == middle && (half & 1u))) ++half;
    return sign | static_cast<std::uint16_t>(half);
  }
  std::uint32_t half = (magnitude - 0x38000000u) >> 13;
  const std::uint32_t rest = magnitude & 0x1FFFu;
  if (rest > 0x1000u || (rest == 0x1000u && (half & 1u))) ++half;
  return sign | static_cast<std::uint16_t>(half);
}

float l2_f32(const float* q, const float* x, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += (q[i] - x[i]) * (q[i] - x[i]);
  return sum;
}

float dot_f32(const float* q, const float* x, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += q[i] * x[i];
  return sum;
}

float l2_f16(const float* q, const std::uint16_t* x, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const float d = q[i] - float_from_half(x[i]);
    sum += d * d;
  }
  return sum;
}

float dot_f16(const float* q, const std::uint16_t* x, std::size_t n) {
  float sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += q[i] * float_from_half(x[i]);
  return sum;
}

// Code i of a row: whole, the middle of what its leading bits allow, or put together from both planes.
struct Whole {
  static int code(const CodeBatch& batch, std::size_t row, std::size_t i) { return batch.base[row * batch.stride + i]; }
};
int nibble(const std::uint8_t* plane, std::size_t i) {
  const std::uint8_t both = plane[i / 32 * 16 + i % 16];
  return i % 32 < 16 ? both & 15 : both >> 4;
}
struct Coarse {
  static int code(const CodeBatch& batch, std::size_t row, std::size_t i) {
    return (nibble(batch.base + row * batch.stride, i) << 3) + 4;
  }
};
struct Split {
  static int code(const CodeBatch& batch, std::size_t row, std::size_t i) {
    return (nibble(batch.base + row * batch.stride, i) << 3) + nibble(batch.trailing + row * batch.stride, i);
  }
};

template <class Source>
void l2(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out) {
  for (std::size_t r = 0; r < batch.count; ++r) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < batch.length; ++i) {
      const int d = int{q[i]} - Source::code(batch, batch.rows[r], i);
      sum += d * d;
    }
    out[r] = sum;
  }
}

template <class Source>
void dot(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out) {
  for (std::size_t r = 0; r < batch.count; ++r) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < batch.length; ++i) sum += int{q[i]} * Source::code(batch, batch.rows[r], i);
    out[r] = sum;
  }
}

std::int32_t l2_code_pair(const std::uint8_t* a, const std::uint8_t* b, std::size_t n) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += (int{a[i]} - int{b[i]}) * (int{a[i]} - int{b[i]});
  return sum;
}

void add_rows(const WeightedRows& rows, float* out, std::size_t n) {
  for (std::size_t r = 0; r < rows.count; ++r) {
    const float* row = rows.matrix + rows.rows[r] * rows.stride;
    for (std::size_t i = 0; i < n; ++i) out[i] += rows.weights[r] * row[i];
  }
}

void f16_from_f32(const float* in, std::uint16_t* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = half_from_float(in[i]);
}

void f32_from_f16(const std::uint16_t* in, float* out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = float_from_half(in[i]);
}

}  // namespace

const Kernels& scalar_kernels() {
  static const Kernels table{"scalar",   l2_f32,      dot_f32,   l2_f16,     dot_f16,      l2<Whole>,   dot<Whole>,
                             l2<Coarse>, dot<Coarse>, l2<Split>, dot<Split>, l2_code_pair, add_rows, f16_from_f32, f32_from_f16};
  return table;
}

}  // namespace nestor::index::simd
