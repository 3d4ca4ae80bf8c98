#pragma once
// Which layouts a build tries, from cheap to safe, and a look at each that takes no graph: how deep in the order of its
// codes the true neighbours stand. What a layout loses there no walk finds again.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "index/code_builder.h"
#include "index/layout.h"
#include "index/options.h"
#include "index/recall_questions.h"
#include "index/row_copies.h"

namespace nestor::index {

// In the order to try; never empty. Ends in walks over stored rows, which lose nothing but what the graph does. Graphs
// that were asked for stay beside wider ones as long as walks go by codes.
std::vector<Layout> layouts_to_try(const CollectionOptions& options);

struct CodeDepth {
  // Where 99.5 % of the true neighbours stand, at the most: in the order of what walks compare, and of whole codes over
  // all that is coded.
  std::size_t walked = 0, ranked = 0;
  bool enough = false;  // a walk that keeps a few hundred candidates can find them
};
inline constexpr std::size_t kProbedQuestions = 64;

// Compares the first kProbedQuestions questions with every row but copies. O(questions * rows * coded bytes).
CodeDepth probe_codes(const CodeBuilder& codes, const CodeBuildInput& input, const RecallQuestions& asked,
                      std::span<const RowCopy> copies);

// "99.5 % of the 10 neighbours of 64 rows are among the 37 nearest by codes of 256 of 384 coordinates"
std::string describe(const CodeDepth& depth, const Layout& layout, std::uint32_t dim, std::size_t questions);

}  // namespace nestor::index
