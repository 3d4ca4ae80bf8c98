// The only file that includes hnswlib: its header defines non-inline functions, so a second includer would not link.
#include "index/graph_builder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "index/distance.h"
#include "index/error.h"
#include "index/parallel.h"

// What hnswlib includes, so that only its own names are made below.
#include <cassert>
#include <deque>
#include <fstream>
#include <iostream>
#include <list>
#include <mutex>
#include <queue>
#include <random>
#include <unordered_map>
#include <unordered_set>
#include <vector>
#ifdef __SSE__
#include <cpuid.h>
#include <immintrin.h>
#include <x86intrin.h>
#endif

// Some of its functions are global and not inline: a program that includes hnswlib itself must find none of them here.
namespace nestor::third_party {
#include <hnswlib/hnswlib.h>
}  // namespace nestor::third_party

namespace nestor::index {
namespace {

namespace hnswlib = third_party::hnswlib;

// What hnswlib hands to the distance function. getDataByLabel of 0.6 reads a size_t from the front.
struct SpaceParameters {
  std::size_t dims;
  std::size_t length;  // code bytes
  const simd::Kernels* kernel;
  float unit;  // step^2, for dot
};

constexpr std::uint32_t kFirst[1] = {0};

float l2_distance(const void* a, const void* b, const void* parameters) {
  const auto& p = *static_cast<const SpaceParameters*>(parameters);
  return static_cast<float>(
      p.kernel->l2_code_pair(static_cast<const std::uint8_t*>(a), static_cast<const std::uint8_t*>(b), p.length));
}

// Element: codes, then the row's share t = step * sum offset_j c_j, so that
// x . y = const + t_x + t_y + step^2 * sum c_x c_y.
float dot_distance(const void* a, const void* b, const void* parameters) {
  const auto& p = *static_cast<const SpaceParameters*>(parameters);
  std::int32_t sum;
  p.kernel->dot_codes(static_cast<const std::int8_t*>(a),
                      {static_cast<const std::uint8_t*>(b), 0, kFirst, 1, p.length, false}, &sum);
  float ta, tb;
  std::memcpy(&ta, static_cast<const std::uint8_t*>(a) + p.length, sizeof ta);
  std::memcpy(&tb, static_cast<const std::uint8_t*>(b) + p.length, sizeof tb);
  return -(ta + tb + p.unit * static_cast<float>(sum));
}

class CodeSpace : public hnswlib::SpaceInterface<float> {
 public:
  CodeSpace(const GraphBuildInput& input, std::size_t length)
      : parameters_{input.width, length, &kernels(), input.quantizer->step(0) * input.quantizer->step(0)},
        dot_(input.metric == Metric::dot) {}

  std::size_t get_data_size() override { return parameters_.length + (dot_ ? sizeof(float) : 0); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return dot_ ? dot_distance : l2_distance; }
  void* get_dist_func_param() override { return &parameters_; }

 private:
  SpaceParameters parameters_;
  bool dot_;
};

// Levels from a hash of the row, not from hnswlib's shared generator: the same whatever the thread order.
int level_of(std::size_t row, const GraphParameters& p) {
  std::uint64_t h = row + p.seed * 0x9E3779B97F4A7C15ull;
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
  h ^= h >> 31;
  const double uniform = (static_cast<double>(h >> 11) + 0.5) / 9007199254740992.0;
  return std::min(15, static_cast<int>(-std::log(uniform) / std::log(static_cast<double>(p.max_links))));
}

float offset_share(const Quantizer& quantizer, const std::uint8_t* codes, std::uint32_t width) {
  double t = 0;
  for (std::uint32_t j = 0; j < width; ++j)
    t += static_cast<double>(quantizer.offset(j)) * codes[quantizer.position(j)];
  return static_cast<float>(t * quantizer.step(0));
}

using Graph = hnswlib::HierarchicalNSW<float>;

// What hnswlib keeps of a row.
void make_element(const GraphBuildInput& input, std::size_t length, std::size_t row, void* element) {
  const std::uint8_t* codes = input.codes + row * input.stride;
  std::memcpy(element, codes, length);
  if (input.metric == Metric::dot) {
    const float t = offset_share(*input.quantizer, codes, input.width);
    std::memcpy(static_cast<std::uint8_t*>(element) + length, &t, sizeof t);
  }
}

void add_row(Graph& graph, const GraphBuildInput& input, std::size_t length, std::size_t row,
             std::vector<std::uint8_t>& element) {
  make_element(input, length, row, element.data());
  graph.addPoint(element.data(), row, level_of(row, input.parameters));
}

// Rows' numbers in hnswlib are ours here, so links are copied as they are.
void set_links(unsigned int* list, Graph& graph, std::span<const std::uint32_t> links, const std::uint32_t* row_of) {
  std::size_t n = 0;
  for (const std::uint32_t link : links)
    if (link != kNoSlot) list[1 + n++] = row_of == nullptr ? link : row_of[link];
  graph.setListCount(list, static_cast<unsigned short>(n));
}

// Turns a frozen graph back into hnswlib's memory, as if its rows had just been inserted.
void thaw(Graph& graph, const FrozenGraph& base, const GraphBuildInput& input, std::size_t length) {
  std::vector<int> level_of_row(base.rows(), 0);
  std::vector<std::uint32_t> links(base.degree());
  for (const FrozenGraph::Level& level : base.upper_levels())
    for (const std::uint32_t row : level.rows) ++level_of_row[row];
  for (std::size_t r = 0; r < base.rows(); ++r) {
    const auto id = static_cast<hnswlib::tableint>(r);
    std::memset(graph.data_level0_memory_ + r * graph.size_data_per_element_, 0, graph.size_data_per_element_);
    make_element(input, length, r, graph.getDataByInternalId(id));
    graph.setExternalLabel(id, r);
    const auto row = static_cast<std::uint32_t>(r);
    set_links(graph.get_linklist0(id), graph, {links.data(), base.links().read(row, links.data())}, nullptr);
    if (level_of_row[r] > 0) {
      graph.linkLists_[r] = static_cast<char*>(
          std::calloc(graph.size_links_per_element_ * static_cast<std::size_t>(level_of_row[r]) + 1, 1));
      if (graph.linkLists_[r] == nullptr) throw std::bad_alloc();
    }
    graph.element_levels_[r] = level_of_row[r];
    graph.cur_element_count = r + 1;  // what the destructor frees
  }
  int number = 0;
  for (const FrozenGraph::Level& level : base.upper_levels()) {
    ++number;
    for (std::size_t n = 0; n < level.rows.size(); ++n)
      set_links(graph.get_linklist(level.rows[n], number), graph,
                level.links.subspan(n * base.max_links(), base.max_links()), level.rows.data());
  }
  graph.maxlevel_ = number;
  graph.enterpoint_node_ = base.entry_row();
}

// Internal numbers of hnswlib are in order of arrival; labels are our rows.
std::vector<std::uint32_t> rows_of(const Graph& graph, std::size_t rows) {
  std::vector<std::uint32_t> row_of(rows);
  for (std::size_t i = 0; i < rows; ++i)
    row_of[i] = static_cast<std::uint32_t>(graph.getExternalLabel(static_cast<hnswlib::tableint>(i)));
  return row_of;
}

void freeze_level0(const Graph& graph, const std::vector<std::uint32_t>& row_of, std::size_t degree,
                   std::uint32_t* out) {
  for (std::size_t i = 0; i < row_of.size(); ++i) {
    auto* list = graph.get_linklist0(static_cast<hnswlib::tableint>(i));  // getListCount takes no const
    const std::size_t n = graph.getListCount(list);
    std::uint32_t* target = out + static_cast<std::size_t>(row_of[i]) * degree;
    for (std::size_t j = 0; j < degree; ++j) target[j] = j < n ? row_of[list[1 + j]] : kNoSlot;
  }
}

std::vector<std::uint32_t> freeze_upper(const Graph& graph, const std::vector<std::uint32_t>& row_of,
                                        std::uint32_t max_links) {
  std::vector<std::uint32_t> out{1, max_links, row_of[graph.enterpoint_node_], 0};
  const std::size_t rows = row_of.size();
  std::vector<std::uint32_t> below = row_of;  // number in the level below of each internal node
  for (int level = 1; level <= graph.maxlevel_; ++level) {
    std::vector<std::uint32_t> nodes;  // internal numbers
    for (std::size_t i = 0; i < rows; ++i)
      if (graph.element_levels_[i] >= level) nodes.push_back(static_cast<std::uint32_t>(i));
    if (nodes.empty()) break;
    std::vector<std::uint32_t> number(rows, kNoSlot);
    for (std::size_t n = 0; n < nodes.size(); ++n) number[nodes[n]] = static_cast<std::uint32_t>(n);
    out.push_back(static_cast<std::uint32_t>(nodes.size()));
    for (const std::uint32_t i : nodes) out.push_back(row_of[i]);
    for (const std::uint32_t i : nodes) out.push_back(below[i]);
    for (const std::uint32_t i : nodes) {
      auto* list = graph.get_linklist(i, level);
      const std::size_t n = graph.getListCount(list);
      for (std::size_t j = 0; j < max_links; ++j) out.push_back(j < n ? number[list[1 + j]] : kNoSlot);
    }
    below = std::move(number);
    ++out[3];
  }
  return out;
}

}  // namespace

GraphBytes build_graph(const GraphBuildInput& input) {
  const std::size_t length = input.quantizer->code_length(input.width);
  CodeSpace space(input, length);
  const std::size_t links = input.parameters.max_links;
  std::unique_ptr<Graph> graph;
  try {
    graph =
        std::make_unique<Graph>(&space, input.rows, links, input.parameters.candidates_at_build, input.parameters.seed);
  } catch (const std::exception& e) {
    throw Error(ErrorCode::resource_exhausted, std::string("cannot allocate a graph: ") + e.what());
  }
  graph->mult_ = 0;  // its own level draw always gives 0; level_of decides
  std::atomic<std::uint64_t> done{0};
  const auto add = [&](std::size_t first, std::size_t last) {
    std::vector<std::uint8_t> element(space.get_data_size());
    for (std::size_t r = first; r < last; ++r) add_row(*graph, input, length, r, element);
    const std::uint64_t now = done += last - first;
    if (input.progress) input.progress(now);
  };
  std::size_t inserted = 0;
  if (input.base != nullptr) {
    if (input.base->max_links() != links || input.base->rows() > input.rows)
      throw Error(ErrorCode::internal, "a graph was to grow from one of other parameters");
    thaw(*graph, *input.base, input, length);
    inserted = input.base->rows();
    done = inserted;
  } else {
    add(0, 1);  // hnswlib's first insertion sets the entry point and is not safe beside others
    inserted = 1;
  }
  parallel_blocks(input.rows - inserted, 256, input.threads,
                  [&](std::size_t first, std::size_t last) { add(first + inserted, last + inserted); });

  GraphBytes out;
  const auto row_of = rows_of(*graph, input.rows);
  out.links = HugeBuffer(input.rows * 2 * links * sizeof(std::uint32_t));
  freeze_level0(*graph, row_of, 2 * links, reinterpret_cast<std::uint32_t*>(out.links.data()));
  out.upper = freeze_upper(*graph, row_of, static_cast<std::uint32_t>(links));
  return out;
}

}  // namespace nestor::index
