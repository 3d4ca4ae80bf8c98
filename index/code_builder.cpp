#include "index/code_builder.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "index/code_choice.h"
#include "index/generation.h"
#include "index/parallel.h"

namespace nestor::index {
namespace {

constexpr std::size_t kQuantizerSample = 10'000;
constexpr std::uint32_t kWideMixed = 257;  // coordinates
constexpr std::size_t kBlock = 1024;  // rows coded at a time by one thread

}  // namespace

std::vector<float> sample_rows(const float* rows, std::size_t count, std::size_t dim, std::size_t wanted) {
  const std::size_t step = std::max<std::size_t>(1, (count + wanted - 1) / std::max<std::size_t>(wanted, 1));
  std::vector<float> out;
  out.reserve((count / step + 1) * dim);
  for (std::size_t r = 0; r < count; r += step) out.insert(out.end(), rows + r * dim, rows + (r + 1) * dim);
  return out;
}

CodeBuilder::CodeBuilder(const CodeBuildInput& input)
    : input_(input),
      width_(input.layout->coded),
      split_(input.options->walk_codes == WalkCodes::leading_bits && !input.layout->walks_rows) {
  const CollectionOptions& options = *input_.options;
  const auto widths = input_.layout->coded_widths(options);
  if (input_.layout->mixes_codes) mixing_ = Mixing(options.dim);
  const auto sample = sample_rows(input_.rows, input_.count, options.dim, kQuantizerSample);
  const std::size_t rows = sample.size() / options.dim;
  const std::vector<float> values = coded(sample.data(), rows);
  quantizer_ = Quantizer::learn(values, rows, widths, search_steps(options.metric));
  graph_quantizer_ = search_steps(options.metric) == Steps::shared
                         ? quantizer_
                         : Quantizer::learn(values, rows, widths, Steps::shared);
  quantizer_bytes_ = quantizer_.to_bytes();
  add("quantizer", quantizer_bytes_);
  // Where walks see all coordinates, comparing what they found by whole codes costs what the leading bits save
  // (measured on keys of 256 coordinates, docs/performance.md); where they do not, a re-score follows in any case.
  // Codes of up to a few cache lines are read as fast whole.
  const bool prefix = input_.layout->graphs.back() < width_;
  const bool wide_mixed = input_.layout->mixes_codes && width_ >= kWideMixed;
  if (options.walk_codes == WalkCodes::automatic && !input_.layout->walks_rows && (prefix || wide_mixed))
    choose_split();
  encode_all();
}

// Rows as the codes see them: [count x width_].
std::vector<float> CodeBuilder::coded(const float* rows, std::size_t count) const {
  const std::size_t dim = input_.options->dim;
  std::vector<float> out(count * width_);
  if (input_.layout->mixes_codes)
    for (std::size_t r = 0; r < count; ++r) mixing_.apply(rows + r * dim, out.data() + r * dim);
  else if (input_.layout->rotates_codes)
    input_.rotation->apply_batch({rows, count * dim}, count, width_, out);
  else
    for (std::size_t r = 0; r < count; ++r) std::copy_n(rows + r * dim, width_, out.begin() + static_cast<std::ptrdiff_t>(r * width_));
  return out;
}

void CodeBuilder::choose_split() {
  const std::size_t step = (input_.count + kMostChoiceRows - 1) / kMostChoiceRows, dim = input_.options->dim;
  const std::size_t rows = (input_.count + step - 1) / step, queries = std::min(kChoiceQueries, rows);
  const std::uint32_t width = input_.layout->graphs.back();
  const std::size_t length = quantizer_.code_length(width);
  std::vector<std::uint8_t> codes(rows * length);
  parallel_blocks(rows, kBlock, input_.threads, [&](std::size_t first, std::size_t last) {
    std::vector<std::uint8_t> code(quantizer_.row_length());
    for (std::size_t r = first; r < last; ++r) {
      quantizer_.encode(coded(input_.rows + r * step * dim, 1).data(), code.data());
      std::memcpy(codes.data() + r * length, code.data(), length);
    }
  });
  std::vector<float> asked;
  std::vector<std::uint32_t> numbers;
  for (std::size_t i = 0; i < queries; ++i) {
    const std::size_t row = i * rows / queries;
    const std::vector<float> values = coded(input_.rows + row * step * dim, 1);
    asked.insert(asked.end(), values.begin(), values.end());
    numbers.push_back(static_cast<std::uint32_t>(row));
  }
  const CodeChoice choice =
      choose_walk_codes({&quantizer_, input_.options->metric, width, codes, asked, numbers, input_.threads});
  split_ = choice.leading_bits;
  reason_ = choice.reason;
}

void CodeBuilder::encode_all() {
  const CollectionOptions& options = *input_.options;
  const std::size_t count = input_.count, dim = options.dim;
  std::vector<std::size_t> cuts{0};
  for (const std::uint32_t g : input_.layout->graphs) cuts.push_back(quantizer_.code_length(g));
  const std::size_t walked = cuts.back();
  if (walked < quantizer_.row_length()) cuts.push_back(quantizer_.row_length());
  const auto plane = [&](std::size_t stride) {
    planes_.emplace_back(count * stride);
    return reinterpret_cast<std::uint8_t*>(planes_.back().data());
  };
  for (std::size_t s = 0; s + 1 < cuts.size(); ++s) {
    const std::size_t length = cuts[s + 1] - cuts[s];
    const bool split = split_ && cuts[s + 1] <= walked;
    const std::uint8_t* data = plane(split ? length / 2 : length);
    segments_.push_back({data, cuts[s], cuts[s + 1], split ? plane(length / 2) : nullptr});
  }
  std::vector<CodeError> errors(count);
  std::atomic<std::size_t> done{0};
  parallel_blocks(count, kBlock, input_.threads, [&](std::size_t first, std::size_t last) {
    const std::vector<float> values = coded(input_.rows + first * dim, last - first);
    std::vector<std::uint8_t> code(quantizer_.row_length());
    for (std::size_t r = first; r < last; ++r) {
      const float* row = values.data() + (r - first) * width_;
      quantizer_.encode(row, code.data());
      errors[r] = measure_code(quantizer_, row, code.data(), input_.rows + r * dim, dim);
      for (const CodeSegment& s : segments_) {
        auto* data = const_cast<std::uint8_t*>(s.data) + r * s.stride();  // planes_ are ours
        if (s.is_split())
          split_codes(code.data() + s.first, s.last - s.first, data,
                      const_cast<std::uint8_t*>(s.trailing) + r * s.stride());
        else
          std::memcpy(data, code.data() + s.first, s.stride());
      }
    }
    const std::size_t now = done += last - first;
    if (input_.progress) input_.progress(now);
  });
  for (std::size_t s = 0; s < segments_.size(); ++s) {
    const auto bytes = [&](const std::uint8_t* data) {
      return std::span(reinterpret_cast<const std::byte*>(data), count * segments_[s].stride());
    };
    const std::string name = "codes." + std::to_string(s);
    add(segments_[s].is_split() ? name + ".leading" : name, bytes(segments_[s].data));
    if (segments_[s].is_split()) add(name + ".trailing", bytes(segments_[s].trailing));
  }
  error_bytes_ = CodeBound::to_bytes(errors);
  add("code_errors", error_bytes_);
}

HugeBuffer CodeBuilder::graph_codes(std::uint32_t width) const {
  const std::size_t length = graph_quantizer_.code_length(width), dim = input_.options->dim;
  HugeBuffer out(input_.count * length);
  parallel_blocks(input_.count, kBlock, input_.threads, [&](std::size_t first, std::size_t last) {
    const std::vector<float> values = coded(input_.rows + first * dim, last - first);
    std::vector<std::uint8_t> code(graph_quantizer_.row_length());
    for (std::size_t r = first; r < last; ++r) {
      graph_quantizer_.encode(values.data() + (r - first) * width_, code.data());
      std::memcpy(out.data() + r * length, code.data(), length);
    }
  });
  return out;
}

}  // namespace nestor::index
