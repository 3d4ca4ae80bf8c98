#include "index/code_choice.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <vector>

#include "index/code_matrix.h"
#include "index/parallel.h"

namespace nestor::index {
namespace {

constexpr std::size_t kNeighbours = 10, kShortlist = 60;
// What a shortlist of leading bits must hold; a walk that loses more cannot be saved by the stages behind it.
constexpr double kLeastRecall = 0.99;

// Numbers of the `count` nearest rows but the query itself, ascending.
std::vector<std::uint32_t> nearest(const CodeChoiceInput& input, std::size_t query, std::span<const std::uint8_t> codes,
                                   std::size_t count) {
  constexpr std::size_t kBlock = 4096;
  const std::size_t length = input.quantizer->code_length(input.width), rows = codes.size() / length;
  const CodeMatrix matrix({{codes.data(), 0, length}});
  QueryCode code;
  code.assign(*input.quantizer, input.metric, input.queries.data() + query * input.quantizer->dim());
  const PrefixScorer score(matrix, *input.quantizer, code, input.width);
  std::vector<std::uint32_t> numbers(kBlock), keys(kBlock);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> best;  // key, row
  const auto cut = [&] {
    if (best.size() <= count) return;
    std::nth_element(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(count), best.end());
    best.resize(count);
  };
  std::uint32_t limit = 0xFFFFFFFFu;
  for (std::size_t first = 0; first < rows; first += kBlock) {
    const std::size_t n = std::min(kBlock, rows - first);
    for (std::size_t i = 0; i < n; ++i) numbers[i] = static_cast<std::uint32_t>(first + i);
    score.arrived(numbers.data(), n, keys.data());
    for (std::size_t i = 0; i < n; ++i)
      if (keys[i] <= limit && numbers[i] != input.query_rows[query]) best.emplace_back(keys[i], numbers[i]);
    if (best.size() > 8 * count) {
      cut();
      limit = std::max_element(best.begin(), best.end())->first;
    }
  }
  cut();
  std::vector<std::uint32_t> out;
  for (const auto& [key, row] : best) out.push_back(row);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

CodeChoice choose_walk_codes(const CodeChoiceInput& input) {
  std::vector<std::uint8_t> coarse(input.codes.begin(), input.codes.end());
  for (std::uint8_t& c : coarse) c = static_cast<std::uint8_t>((c & 0x78) | 4);  // what a walk takes them for
  std::atomic<std::size_t> wanted{0}, found{0};
  parallel_blocks(input.query_rows.size(), 1, input.threads, [&](std::size_t query, std::size_t) {
    const auto best = nearest(input, query, input.codes, kNeighbours);
    const auto list = nearest(input, query, coarse, kShortlist);
    wanted += best.size();
    for (const std::uint32_t row : best) found += std::binary_search(list.begin(), list.end(), row);
  });
  CodeChoice choice;
  choice.recall = wanted == 0 ? 1.0 : static_cast<double>(found) / static_cast<double>(wanted);
  choice.leading_bits = choice.recall >= kLeastRecall;
  char text[200];
  std::snprintf(text, sizeof text,
                "of the %zu nearest rows by whole codes, the %zu nearest by 4 bits hold %.1f %% (%zu rows asked)",
                kNeighbours, kShortlist, 100 * choice.recall, input.query_rows.size());
  choice.reason =
      std::string(choice.leading_bits ? "walks compare 4 bits a coordinate: " : "walks compare whole codes: ") + text;
  return choice;
}

}  // namespace nestor::index
