#include "index/options.h"

#include <algorithm>

#include "index/error.h"
#include "index/rotation.h"

namespace nestor::index {
namespace {

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

void check_widths(const std::vector<std::uint32_t>& widths, std::uint32_t dim) {
  if (widths.size() > kMaxWidths)
    fail(std::to_string(widths.size()) + " widths given, at most " + std::to_string(kMaxWidths) + " are allowed");
  std::uint32_t previous = 0;
  for (const std::uint32_t w : widths) {
    if (w <= previous || w > dim)
      fail("widths must ascend from 1 to the dimension " + std::to_string(dim) + ", found " + std::to_string(w) +
           " after " + std::to_string(previous));
    previous = w;
  }
}

}  // namespace

CollectionOptions CollectionOptions::validated() const {
  CollectionOptions out = *this;
  if (dim < 1 || dim > kMaxDim)
    fail("dimension " + std::to_string(dim) + " is out of range 1.." + std::to_string(kMaxDim));
  if (out.widths.empty()) out.widths = default_widths(dim);
  if (out.widths.back() < dim) out.widths.push_back(dim);  // the full width is always a rung
  check_widths(out.widths, dim);
  if (out.graphs.empty()) out.graphs = default_graphs(out.widths, out.rotation);
  std::sort(out.graphs.begin(), out.graphs.end());
  out.graphs.erase(std::unique(out.graphs.begin(), out.graphs.end()), out.graphs.end());
  for (const std::uint32_t g : out.graphs)
    if (!std::binary_search(out.widths.begin(), out.widths.end(), g))
      fail("graph width " + std::to_string(g) + " is not one of the collection's widths");
  if (rotation == Rotation::pca && dim > kMaxRotationDim)
    fail("rotation pca takes at most " + std::to_string(kMaxRotationDim) + " coordinates, the dimension is " +
         std::to_string(dim));
  if (graph.max_links < 2 || graph.max_links > 256)
    fail("max_links (m) " + std::to_string(graph.max_links) + " is out of range 2..256");
  if (graph.candidates_at_build < 4 || graph.candidates_at_build > 10000)
    fail("candidates_at_build (ef_construct) " + std::to_string(graph.candidates_at_build) + " is out of range 4..10000");
  return out;
}

std::vector<std::uint32_t> default_widths(std::uint32_t dim) {
  std::vector<std::uint32_t> widths;
  for (std::uint32_t w = 32; w < dim; w *= 2) widths.push_back(w);
  widths.push_back(dim);
  return widths;
}

std::vector<std::uint32_t> default_graphs(const std::vector<std::uint32_t>& widths, Rotation rotation) {
  const std::uint32_t most = rotation == Rotation::none ? 256 : 128;
  std::uint32_t best = widths.front();
  for (const std::uint32_t w : widths)
    if (w <= most) best = w;
  return {best};
}

}  // namespace nestor::index
