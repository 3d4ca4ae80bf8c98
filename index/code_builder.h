#pragma once
// Codes all rows of a new generation.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/code_bound.h"
#include "index/code_matrix.h"
#include "index/layout.h"
#include "index/memory.h"
#include "index/mixing.h"
#include "index/options.h"
#include "index/record_store.h"
#include "index/rotation.h"

namespace nestor::index {

struct CodeBuildInput {
  const float* rows = nullptr;  // [count x options.dim], as stored
  std::size_t count = 0;        // at least 1
  const CollectionOptions* options = nullptr;
  const Layout* layout = nullptr;
  const PcaRotation* rotation = nullptr;  // REQUIRES: where the layout rotates codes
  unsigned threads = 1;
  std::function<void(std::uint64_t done)> progress;
};

class CodeBuilder {
 public:
  explicit CodeBuilder(const CodeBuildInput& input);

  // The quantizer, all codes and their error limits as sections; the bytes belong to this object.
  std::vector<Section> sections() const { return sections_; }
  // Whether walks go by the leading bits alone, and what was measured to decide it (empty: nothing was).
  bool split() const { return split_; }
  const std::string& reason() const { return reason_; }

  // Codes for building a graph by squared distances, one row after the other over the first `width` coordinates: they
  // share one step, which the codes searched by need not.
  HugeBuffer graph_codes(std::uint32_t width) const;
  const Quantizer& graph_quantizer() const { return graph_quantizer_; }

  const Quantizer& quantizer() const { return quantizer_; }
  CodeMatrix matrix() const { return CodeMatrix(segments_); }
  // Rows [count x options.dim] as the codes see them: [count x layout.coded].
  std::vector<float> coded(const float* rows, std::size_t count) const;

 private:
  void encode_all();
  void choose_split();
  void add(const std::string& name, std::span<const std::byte> bytes) { sections_.push_back({name, bytes}); }

  const CodeBuildInput input_;
  std::uint32_t width_;  // coordinates coded
  Mixing mixing_;
  Quantizer quantizer_, graph_quantizer_;
  bool split_ = false;
  std::string reason_;
  std::vector<CodeSegment> segments_;
  std::vector<HugeBuffer> planes_;
  std::vector<std::byte> quantizer_bytes_, error_bytes_;
  std::vector<Section> sections_;
};

// Every step-th of rows [count x dim], at most `wanted` of them.
std::vector<float> sample_rows(const float* rows, std::size_t count, std::size_t dim, std::size_t wanted);

}  // namespace nestor::index
