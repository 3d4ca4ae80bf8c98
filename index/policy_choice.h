#pragma once
// The default policy of a generation: how wide a distance gap its walks need for a wanted recall. Real data sets differ
// by a factor of two in work at equal recall, so a build asks its own rows.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "index/generation.h"
#include "index/tail.h"

namespace nestor::index {

// Section "policy" of a generation, little-endian: uint32 version = 1, float32 gap, wanted recall, measured recall.
struct DefaultPolicy {
  float gap = 0;
  float wanted_recall = 0;    // what users were promised nothing of, but the choice aims at
  float measured_recall = 0;  // recall@10 of rows hidden from their own walk

  std::vector<std::byte> to_bytes() const;
  // Throws Error data_loss.
  static DefaultPolicy from_bytes(std::span<const std::byte> bytes);
};

struct PolicyChoice {
  DefaultPolicy policy;
  std::string reason;  // one sentence, with the figures
};

// Asks live rows for their neighbours, as if they were not stored themselves, exactly and by the default ladder under
// ever wider gaps, and takes the first gap that finds enough, or all but 0.002 of what the widest one finds. REQUIRES:
// graphs. wanted_recall in (0, 1). Cost: one exact scan for kPolicyQueries queries, on `threads` threads.
inline constexpr std::size_t kPolicyQueries = 128;
PolicyChoice choose_policy(const Generation& generation, const CollectionOptions& options, const DeadSlots& dead,
                           double wanted_recall, unsigned threads);

}  // namespace nestor::index
