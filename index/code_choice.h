#pragma once
// Whether walks may go by the leading bits of the codes alone. The data decides: 4 bits suffice for most vectors and
// lose neighbours of others, so it is measured on the rows themselves.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "index/quantizer.h"

namespace nestor::index {

// Rows in their full density where there are not too many: a sparse sample's neighbours are easier to tell apart.
inline constexpr std::size_t kMostChoiceRows = 200'000;
inline constexpr std::size_t kChoiceQueries = 64;

struct CodeChoiceInput {
  const Quantizer* quantizer = nullptr;
  Metric metric = Metric::l2;
  std::uint32_t width = 0;                    // coordinates that walks compare
  std::span<const std::uint8_t> codes;        // [rows x code_length(width)], whole
  std::span<const float> queries;             // [n x quantizer->dim()], rows as the codes see them
  std::span<const std::uint32_t> query_rows;  // their numbers; a query does not find itself
  unsigned threads = 1;
};

struct CodeChoice {
  bool leading_bits = false;
  double recall = 0;   // share of the 10 nearest by whole codes among the 60 nearest by leading bits
  std::string reason;  // one sentence, with the figure
};

// Compares each query with every row by both codes. O(n * rows * width).
CodeChoice choose_walk_codes(const CodeChoiceInput& input);

}  // namespace nestor::index
