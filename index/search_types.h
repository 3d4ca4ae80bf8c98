#pragma once
// What a search is asked and what it answers.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/search_policy.h"
#include "index/types.h"

namespace nestor::index {

// One step of the ladder: rank the incoming candidates by their first `width` coordinates and keep
// the best `shortlist`. The first stage of a list is the walk, its width must have a graph.
struct Stage {
  std::uint32_t width = 0;
  std::uint32_t shortlist = 0;

  bool operator==(const Stage&) const = default;
};

// A view of numbers that is equal to another one when both show the same numbers.
template <typename T>
struct NumberView : std::span<const T> {
  using std::span<const T>::span;
  NumberView(std::span<const T> numbers = {}) : std::span<const T>(numbers) {}

  bool operator==(const NumberView& other) const {
    return std::equal(this->begin(), this->end(), other.begin(), other.end());
  }
};

struct SearchOptions {
  std::uint32_t k = 10;                                // 1..kMaxNeighbours
  bool exact = false;                                  // scan every row instead of walking a graph
  std::optional<std::uint32_t> width;                  // rank the answer by this prefix (one of widths); default dim
  std::optional<std::uint32_t> candidates_to_explore;  // ef: candidates the walk expands; default from the policy
  std::optional<float> distance_gap;           // stop when d(next) > (1 + gap) * d(k-th); 0 disables
  std::vector<Stage> stages;                   // explicit ladder; empty: the default policy
  std::optional<SearchPolicy> policy;          // all of the depth at once, instead of the three above
  // A promise instead of a depth: the certificate that serves it decides how deep the query goes (certificate_book.h).
  // With none that fits, the safe policy. 1 is the exact scan. Not together with the four above.
  std::optional<double> target_recall;
  std::optional<double> max_latency_ms;        // best effort; goes before the target
  std::string encoder;                         // of the query; empty: the one that was calibrated
  std::string filter_name;                     // of allowed_slots, as it was calibrated
  bool explain = false;                        // fill SearchResult::stages
  // false: the answer is ranked by codes where they hold all coordinates that rank; distances carry their rounding, and
  // no stored row is read. For kNN-LM, whose softmax is smoother than that.
  bool exact_distances = true;
  bool with_ids = true;                        // false: hits carry no id and no version, a wait less for each
  // Warm start: the walk begins at these rows (those of them that the graph holds) instead of the graph's own entry.
  NumberView<Slot> entry_slots;
  // Only slots whose bit is set may be returned; empty: all. Bit i of word i / 64 is slot i.
  NumberView<std::uint64_t> allowed_slots;
  // SelectedSlots::numbering of them: with it, a compaction in between does no harm. 0: the slots are of this moment.
  std::uint64_t allowed_numbering = 0;

  // Queries whose options are equal may be searched together.
  bool operator==(const SearchOptions&) const = default;
};

// What may be said of an answer that was asked for by target_recall or max_latency_ms.
struct Certification {
  bool certified = false;
  std::uint64_t certificate = 0;  // whose policy served; 0: none's
  double recall = 0;              // what that certificate promises
  std::string exit_stage;         // what ended the query: "distance gap", "candidates explored", "second look", "scan"
  std::string note;               // why it is not certified, or which other certificate serves; may be empty
};

struct Neighbour {
  Slot slot = kNoSlot;
  float distance = 0;  // exact, over the ranking width; see Metric for the unit
};

// What one stage did.
struct StageReport {
  std::string name;  // "walk", "rescore", "rerank", "tail", "scan"
  std::uint32_t width = 0;
  std::uint64_t candidates_in = 0;
  std::uint64_t candidates_out = 0;
  std::uint64_t distance_evaluations = 0;
  std::uint64_t coordinates_read = 0;  // multiply-adds = coordinates_read; codes and float rows alike
  double microseconds = 0;
  // "candidates explored", "distance gap", "second look", "all rows read", "shortlist done"
  std::string stopped_because;
  std::uint64_t bytes_read = 0;               // of vectors and codes; links are not counted
  std::optional<WalkFeatures> features = {};  // of a walk under a policy that may take a second look
};

// k nearest, nearest first, ties to the smaller slot. Fewer than k when fewer live rows exist.
struct SearchResult {
  std::vector<Neighbour> neighbours;
  std::vector<StageReport> stages;  // empty unless asked for
};

}  // namespace nestor::index
