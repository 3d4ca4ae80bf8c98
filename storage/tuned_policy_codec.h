#pragma once
// The bytes of a collection's tuned default depth, layout 1; one value in RocksDB, key "policy" of the default family.
// Little-endian; f64 and f32 by their bits.
//
//   u32 layout (1), u32 explore, f32 gap, u32 keep, u32 rerank, u32 k, f64 recall, u64 queries
//   u64 XXH3 of everything before it
//
// Decoding throws Error data_loss for bytes that no encoder writes, failed_precondition for a newer layout.

#include <string>
#include <string_view>

#include "index/tuned_policy.h"

namespace nestor::storage {

inline constexpr std::string_view kTunedPolicyKey = "policy";

std::string encode_tuned_policy(const index::TunedPolicy& tuned);
index::TunedPolicy decode_tuned_policy(std::string_view bytes);

}  // namespace nestor::storage
