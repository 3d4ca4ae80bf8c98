#pragma once
// A part of the rows that is as hard to search as all of them: questions with their true neighbours, and as many rows
// from everywhere. A layout that does not find these finds no more among all rows, at a tenth of the cost.

#include <cstddef>
#include <memory>
#include <vector>

#include "index/layout_search.h"
#include "index/recall_questions.h"

namespace nestor::index {

inline constexpr std::size_t kSampledFrom = 40'000;  // below that all rows are tried at once

// Rows, ids and questions of their own; input() points into it.
class LayoutSample {
 public:
  LayoutSample(const LayoutSearchInput& all, const RecallQuestions& asked);

  // Without progress; only as_asked is kept of what the build was told.
  const LayoutSearchInput& input() const { return input_; }
  const RecallQuestions& questions() const { return questions_; }

 private:
  void choose_rows(const LayoutSearchInput& all, const RecallQuestions& asked);
  void map_questions(const RecallQuestions& asked);
  void make_sections(const LayoutSearchInput& all);

  std::vector<std::uint32_t> chosen_;  // rows of all, ascending
  std::vector<float> rows_;
  std::vector<std::byte> stored_rows_;
  std::vector<std::uint64_t> meta_;
  std::vector<Slot> slots_;
  std::vector<PointEntry> points_;
  std::vector<std::uint32_t> values_;
  std::vector<std::byte> rotation_bytes_, copy_bytes_;
  std::vector<RowCopy> copies_;
  DeadSlots dead_;
  RecallQuestions questions_;
  LayoutSearchInput input_;
};

}  // namespace nestor::index
