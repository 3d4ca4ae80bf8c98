#pragma once
// One immutable state that a collection serves from: rows, ids, token values, codes and graphs.
// Made by build_generation and stored as named sections by a GenerationStore. Opening copies codes and links into
// huge pages (a walk reads them at random; measured 15 % faster than from 4 KB pages); rows, ids and values
// stay in the mapped file and need no memory of their own.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "index/code_bound.h"
#include "index/code_matrix.h"
#include "index/collection.h"
#include "index/default_policy.h"
#include "index/distance.h"
#include "index/frozen_graph.h"
#include "index/layout.h"
#include "index/memory.h"
#include "index/mixing.h"
#include "index/options.h"
#include "index/quantizer.h"
#include "index/record_store.h"
#include "index/rotation.h"
#include "index/row_copies.h"
#include "index/walk_effort.h"

namespace nestor::index {

inline constexpr std::uint32_t kNoValue = 0xFFFFFFFFu;

// What a hit needs to know of its point; 24 bytes in section "points".
struct PointEntry {
  std::uint64_t high = 0, low = 0;
  std::uint64_t version_and_kind = 0;  // version << 1 | is_uuid

  static PointEntry make(const PointId& id, Sequence version) {
    return {id.high, id.low, version << 1 | (id.is_uuid ? 1 : 0)};
  }
  PointId id() const { return {(version_and_kind & 1) != 0, high, low}; }
  Sequence version() const { return version_and_kind >> 1; }
};

struct WidthGraph {
  std::uint32_t width = 0;
  FrozenGraph graph;
  WalkEffort effort;
};

class Generation {
 public:
  // Views over sections; throws Error data_loss when they do not fit the options or each other.
  static std::shared_ptr<const Generation> open(const LoadedSections& loaded, const CollectionOptions& options);

  Sequence sequence() const { return sequence_; }
  Slot next_slot() const { return next_slot_; }  // every live slot below it is inside
  std::uint64_t fingerprint() const { return fingerprint_; }  // LoadedSections::fingerprint; 0 without a generation
  std::size_t rows() const { return matrix_.rows; }
  const RowMatrix& matrix() const { return matrix_; }  // as stored: exact, not rotated
  Slot slot_of(std::uint32_t row) const { return slots_[row]; }
  std::span<const Slot> slots() const { return slots_; }  // ascending
  const PointEntry& point(std::uint32_t row) const { return points_[row]; }
  std::uint32_t value(std::uint32_t row) const { return values_[row]; }
  void prefetch_hit(std::uint32_t row, bool with_id) const {
    if (with_id) __builtin_prefetch(&points_[row]);
    __builtin_prefetch(&values_[row]);
    __builtin_prefetch(&slots_[row]);
  }
  const Quantizer& quantizer() const { return quantizer_; }
  const CodeMatrix& codes() const { return codes_; }
  const CodeBound& code_bound() const { return code_bound_; }  // empty: an older generation without one
  const std::vector<WidthGraph>& graphs() const { return graphs_; }
  const Layout& layout() const { return layout_; }
  // Stored rows where walks compare them: in memory. Empty: walks go by codes.
  const RowMatrix& walked_rows() const { return walked_rows_; }
  const RowCopies& copies() const { return copies_; }  // rows that no graph holds
  // Graph to walk for candidates at `width`: the narrowest at least that wide, else the widest. Null: no graphs.
  const WidthGraph* graph_for(std::uint32_t width) const;
  // What `width` ranks by, where there is one; codes are of rotated rows only where the layout says so.
  const PcaRotation* rotation() const { return rotation_ ? &*rotation_ : nullptr; }
  bool rotates_codes() const { return layout_.rotates_codes && rotation_; }
  // Whether codes are of other coordinates than the rows': turned or mixed.
  bool codes_turned() const { return layout_.rotates_codes || layout_.mixes_codes; }
  // A row or query, dim values, as the codes see it: quantizer().dim() values. REQUIRES: codes_turned().
  void turn(std::span<const float> row, std::span<float> out) const {
    if (layout_.mixes_codes)
      mixing_.apply(row.data(), out.data());
    else
      rotation_->apply_query(row, query_columns_, out);
  }
  // How searches go that say nothing, and what was measured of it; none: the build chose nothing (an older one).
  const std::optional<DefaultPolicy>& default_policy() const { return policy_; }
  // The gap that such searches stop at.
  std::optional<float> default_gap() const { return policy_ ? std::optional(policy_->gap) : std::nullopt; }
  double largest_norm() const { return largest_norm_; }  // of a stored row, but for outliers that no code can tell apart
  MemoryReport memory() const;

 private:
  Sequence sequence_ = 0;
  Slot next_slot_ = 0;
  std::uint64_t fingerprint_ = 0;
  RowMatrix matrix_;
  std::span<const Slot> slots_;
  std::span<const PointEntry> points_;
  std::span<const std::uint32_t> values_;
  Quantizer quantizer_;
  CodeMatrix codes_;
  CodeBound code_bound_;
  std::vector<WidthGraph> graphs_;
  std::optional<PcaRotation> rotation_;
  std::optional<DefaultPolicy> policy_;
  Layout layout_;
  RowMatrix walked_rows_;
  RowCopies copies_;
  double largest_norm_ = 1;
  Mixing mixing_;
  std::vector<float> query_columns_;  // of the rotation, for the coded coordinates
  std::size_t link_bytes_ = 0, code_bytes_ = 0, mapped_code_bytes_ = 0, walked_row_bytes_ = 0;
  std::vector<HugeBuffer> resident_;  // codes, copied to huge pages; the rest stays mapped
  std::shared_ptr<const void> owner_;

  class SectionMap;
  struct CodesUse {
    Residency residency;
    bool walked;  // read by walks
  };
  CodeSegment open_codes(const std::string& name, std::size_t first, const SectionMap& sections, CodesUse use);
  std::span<const std::byte> make_resident(std::span<const std::byte> bytes);
};

}  // namespace nestor::index
