#pragma once
// What kNN-LM asks of a row beside its key and token, by slot: how often it stands for merged rows, and the document
// it came from.

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "index/types.h"

namespace nestor::index {

inline constexpr std::uint64_t kNoDocument = std::numeric_limits<std::uint64_t>::max();

// Filled by one writer, then only read.
class RowColumns {
 public:
  // Throws Error invalid_argument on a weight that is not finite and positive.
  void set_weight(Slot slot, float weight);
  void set_document(Slot slot, std::uint64_t document);
  // To be called after the last set_: slots below `next_slot` are known from here on, by this numbering of them. O(n log n) of the documents.
  void finish(Slot next_slot, std::uint64_t numbering = 0);

  Slot next_slot() const { return next_slot_; }
  std::uint64_t numbering() const { return numbering_; }  // that the slots are of; 0: the one there is
  bool has_weights() const { return !weights_.empty(); }
  bool has_documents() const { return !documents_.empty(); }
  float weight(Slot slot) const { return slot < weights_.size() ? weights_[slot] : 1.0f; }
  float max_weight() const { return max_weight_; }  // at least 1
  std::uint64_t document(Slot slot) const { return slot < documents_.size() ? documents_[slot] : kNoDocument; }
  // Ascending; empty for an unknown document.
  std::span<const Slot> slots_of(std::uint64_t document) const;

 private:
  Slot next_slot_ = 0;
  std::uint64_t numbering_ = 0;
  float max_weight_ = 1;
  std::vector<float> weights_;            // by slot; empty: all 1
  std::vector<std::uint64_t> documents_;  // by slot; empty: none
  std::vector<Slot> by_document_;         // slots that have one, ordered by document, then slot
};

}  // namespace nestor::index
