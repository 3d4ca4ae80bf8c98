#pragma once
// The table of distance kernels. One file per instruction set fills one table; the table is chosen once
// (index/distance.h). Only raw pointers here: files built with -m flags must not emit shared inline code.
//
// Codes: 0..127 a coordinate, so that a difference fits a signed byte and a product of two fits the 16-bit pair sums of
// maddubs. Code rows are multiples of kCodeAlign coordinates long, zero padded, and lie in memory in one of two ways:
// - whole: a byte a coordinate;
// - split: the leading 4 bits of every code in one plane, the trailing 3 bits in another, each half a byte a
// coordinate.
//   A block of 32 codes is 16 bytes of a plane; byte i holds the parts of code i (low nibble) and of code 16 + i
//   (high).
// A coarse distance reads the plane of leading bits alone and takes every code for the middle of what it may be,
// (leading << 3) + 4.

#include <cstddef>
#include <cstdint>

namespace nestor::index::simd {

inline constexpr std::size_t kCodeAlign = 32;  // coordinates

// Distances from one query code to `count` code rows picked by number.
struct CodeBatch {
  const std::uint8_t* base;   // row r starts at base + r * stride; split codes: the leading bits
  std::size_t stride;         // bytes
  const std::uint32_t* rows;  // row numbers
  std::size_t count;
  std::size_t length;                      // coordinates used, multiple of kCodeAlign
  bool prefetch;                           // send for rows ahead; false: the caller has done so
  const std::uint8_t* trailing = nullptr;  // split codes: the plane of trailing bits, same stride
};

// Rows of a matrix and what each counts.
struct WeightedRows {
  const float* matrix;        // row r starts at matrix + r * stride
  std::size_t stride;         // floats
  const std::uint32_t* rows;  // row numbers
  const float* weights;
  std::size_t count;
};

struct Kernels {
  const char* name;

  // Sum of (q - x)^2, sum of q * x over n floats; x as float32 or IEEE float16. No alignment needed, any n.
  float (*l2_f32)(const float* q, const float* x, std::size_t n);
  float (*dot_f32)(const float* q, const float* x, std::size_t n);
  float (*l2_f16)(const float* q, const std::uint16_t* x, std::size_t n);
  float (*dot_f16)(const float* q, const std::uint16_t* x, std::size_t n);

  // Sum of (q - x)^2 of codes (both 0..127), and sum of q * x with a signed query (-127..127): of whole codes, of the
  // leading bits alone, and of both planes. Bit-identical across tables.
  void (*l2_codes)(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out);
  void (*dot_codes)(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out);
  void (*l2_coarse)(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out);
  void (*dot_coarse)(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out);
  void (*l2_split)(const std::uint8_t* q, const CodeBatch& batch, std::int32_t* out);
  void (*dot_split)(const std::int8_t* q, const CodeBatch& batch, std::int32_t* out);

  // Squared L2 between two whole codes; what building a graph does. n: multiple of kCodeAlign.
  std::int32_t (*l2_code_pair)(const std::uint8_t* a, const std::uint8_t* b, std::size_t n);

  // out[i] += sum over r of weights[r] * matrix[rows[r] * stride + i], i < n: a matrix times a sparse vector, by columns.
  void (*add_rows)(const WeightedRows& rows, float* out, std::size_t n);

  // Conversions, round to nearest even.
  void (*f16_from_f32)(const float* in, std::uint16_t* out, std::size_t n);
  void (*f32_from_f16)(const std::uint16_t* in, float* out, std::size_t n);
};

const Kernels& scalar_kernels();
const Kernels& avx2_kernels();    // needs AVX2, FMA, F16C
const Kernels& avx512_kernels();  // needs AVX-512 F, BW, VL and VNNI
const Kernels& neon_kernels();    // AArch64

}  // namespace nestor::index::simd
