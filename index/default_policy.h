#pragma once
// How searches go that say nothing about depth, and what was measured of it when it was chosen (policy_choice.h).
//
// Section "policy" of a generation, little-endian. Version 1: uint32 version, float32 gap, wanted recall, measured recall.
// Version 2: uint32 version, float32 gap, wanted, measured, low, high, uint32 queries, explore, beam, flags (1: reached,
// 2: scans, 4: folded, 8: asked queries), length of the text that follows, UTF-8: what was chosen, and why.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nestor::index {

struct DefaultPolicy {
  float gap = 0;
  std::uint32_t explore = 400;  // candidates a walk expands at most
  std::uint32_t beam = 1;       // rows kept on the way down to level 0
  float wanted_recall = 0;    // what users were promised nothing of, but the choice aims at
  float measured_recall = 0;  // recall@10 of rows hidden from their own walk, or of the queries given to the build
  float low = 0, high = 1;    // 95 % interval of the measured recall (Wilson's, of `queries` questions)
  std::uint32_t queries = 0;  // questions asked; 0: not known (version 1)
  bool reached = false;       // the lower end of the interval is not below what was wanted
  bool scans = false;         // no walk that was tried finds enough: such searches compare every row
  bool folded = false;        // measured after a fold, under the layout of the build before
  bool asked_queries = false; // queries were asked, not rows
  double evaluations = 0;     // rows compared a question; not stored
  std::string choice;         // what was chosen, and why

  std::vector<std::byte> to_bytes() const;
  // Throws Error data_loss.
  static DefaultPolicy from_bytes(std::span<const std::byte> bytes);
};

}  // namespace nestor::index
