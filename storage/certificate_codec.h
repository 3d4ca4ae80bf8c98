#pragma once
// The bytes of a collection's certificates, layout 1; one value in RocksDB, key "certificates" of the default family.
// Little-endian; f64 and f32 by their bits; a text is u32 length and its bytes; absent when there are none.
//
//   u32 layout (1), u32 count, then per certificate
//     u64 id, i64 created (seconds since 1970)
//     u64 generation, u64 fingerprint, u32 next slot, u64 points
//     u32 count and so many u32 widths, u32 k, u8 metric, text filter, text encoder
//     u8 source, u8 loss, f64 loss parameter, f64 epsilon, f64 delta, u8 promise, u8 test, u64 queries, u64 seed
//     u32 count and so many points:
//       u32 explore, f32 gap, u32 keep, u32 rerank,
//       u8 weights of a deferral rule (0: none), so many f32, then f32 bias, f32 threshold, f32 gap when not 0
//       u8 tested, f64 risk, f64 p-value, f64 evaluations, f64 coordinates, f64 microseconds
//     u32 chosen, text withdrawn
//   u64 XXH3 of everything before it
//
// Decoding throws Error data_loss for bytes that no encoder writes, failed_precondition for a newer layout.

#include <string>
#include <string_view>
#include <vector>

#include "index/certificate.h"

namespace nestor::storage {

inline constexpr std::string_view kCertificatesKey = "certificates";

std::string encode_certificates(const std::vector<index::Certificate>& certificates);
std::vector<index::Certificate> decode_certificates(std::string_view bytes);

}  // namespace nestor::storage
