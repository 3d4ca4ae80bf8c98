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
#include "index/graph_repair.h"
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

// What the rows compare by where they stand in the graph themselves.
struct RowSpaceParameters {
  std::size_t dims;
  const simd::Kernels* kernel;
};

float l2_of_rows(const void* a, const void* b, const void* parameters) {
  const auto& p = *static_cast<const RowSpaceParameters*>(parameters);
  return p.kernel->l2_f32(static_cast<const float*>(a), static_cast<const float*>(b), p.dims);
}

float dot_of_rows(const void* a, const void* b, const void* parameters) {
  const auto& p = *static_cast<const RowSpaceParameters*>(parameters);
  return -p.kernel->dot_f32(static_cast<const float*>(a), static_cast<const float*>(b), p.dims);
}

// What hnswlib keeps of a row, and how it compares two.
class Space : public hnswlib::SpaceInterface<float> {
 public:
  explicit Space(const GraphBuildInput& input)
      : input_(input), dot_(input.metric == Metric::dot), rows_{input.width, &kernels()} {
    if (input.values != nullptr) return;
    length_ = input.quantizer->code_length(input.width);
    codes_ = {input.width, length_, &kernels(), input.quantizer->step(0) * input.quantizer->step(0)};
  }

  std::size_t get_data_size() override {
    return by_rows() ? rows_.dims * sizeof(float) : length_ + (dot_ ? sizeof(float) : 0);
  }
  hnswlib::DISTFUNC<float> get_dist_func() override {
    if (by_rows()) return dot_ ? dot_of_rows : l2_of_rows;
    return dot_ ? dot_distance : l2_distance;
  }
  void* get_dist_func_param() override { return by_rows() ? static_cast<void*>(&rows_) : &codes_; }

  void copy_row(std::size_t row, void* to) const {
    if (by_rows()) {
      std::memcpy(to, input_.values + row * rows_.dims, rows_.dims * sizeof(float));
      return;
    }
    const std::uint8_t* codes = input_.codes + row * input_.stride;
    std::memcpy(to, codes, length_);
    if (!dot_) return;
    const float t = offset_share(*input_.quantizer, codes, input_.width);
    std::memcpy(static_cast<std::uint8_t*>(to) + length_, &t, sizeof t);
  }

 private:
  bool by_rows() const { return input_.values != nullptr; }
  static float offset_share(const Quantizer& quantizer, const std::uint8_t* codes, std::uint32_t width) {
    double t = 0;
    for (std::uint32_t j = 0; j < width; ++j)
      t += static_cast<double>(quantizer.offset(j)) * codes[quantizer.position(j)];
    return static_cast<float>(t * quantizer.step(0));
  }

  const GraphBuildInput& input_;
  bool dot_;
  std::size_t length_ = 0;
  SpaceParameters codes_{};
  RowSpaceParameters rows_;
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

using Graph = hnswlib::HierarchicalNSW<float>;

// The rows that stand in the graph, ascending; in hnswlib the first `base` of them have these places as numbers.
std::vector<std::uint32_t> rows_to_insert(const GraphBuildInput& input) {
  std::vector<bool> left_out(input.rows, false);
  for (const RowCopy& copy : input.copies) left_out[copy.row] = true;
  std::vector<std::uint32_t> rows;
  rows.reserve(input.rows - input.copies.size());
  for (std::size_t r = 0; r < input.rows; ++r)
    if (!left_out[r]) rows.push_back(static_cast<std::uint32_t>(r));
  return rows;
}

// Writes links (row numbers) as hnswlib's own numbers.
void set_links(unsigned int* list, Graph& graph, std::span<const std::uint32_t> links,
               const std::vector<std::uint32_t>& number_of) {
  std::size_t n = 0;
  for (const std::uint32_t link : links)
    if (link != kNoSlot) list[1 + n++] = number_of[link];
  graph.setListCount(list, static_cast<unsigned short>(n));
}

// Turns a frozen graph back into hnswlib's memory, as if its rows had just been inserted. rows: those in the graph;
// returns how many of them are the base's.
std::size_t thaw(Graph& graph, const FrozenGraph& base, const Space& space, std::span<const std::uint32_t> rows) {
  const auto inserted =
      static_cast<std::size_t>(std::lower_bound(rows.begin(), rows.end(), base.rows()) - rows.begin());
  std::vector<std::uint32_t> number_of(base.rows(), 0);
  for (std::size_t i = 0; i < inserted; ++i) number_of[rows[i]] = static_cast<std::uint32_t>(i);
  std::vector<int> level_of_row(base.rows(), 0);
  std::vector<std::uint32_t> links(base.degree());
  for (const FrozenGraph::Level& level : base.upper_levels())
    for (const std::uint32_t row : level.rows) ++level_of_row[row];
  for (std::size_t i = 0; i < inserted; ++i) {
    const auto id = static_cast<hnswlib::tableint>(i);
    const std::uint32_t row = rows[i];
    std::memset(graph.data_level0_memory_ + i * graph.size_data_per_element_, 0, graph.size_data_per_element_);
    space.copy_row(row, graph.getDataByInternalId(id));
    graph.setExternalLabel(id, row);
    set_links(graph.get_linklist0(id), graph, {links.data(), base.links().read(row, links.data())}, number_of);
    if (level_of_row[row] > 0) {
      graph.linkLists_[i] = static_cast<char*>(
          std::calloc(graph.size_links_per_element_ * static_cast<std::size_t>(level_of_row[row]) + 1, 1));
      if (graph.linkLists_[i] == nullptr) throw std::bad_alloc();
    }
    graph.element_levels_[i] = level_of_row[row];
    graph.cur_element_count = i + 1;  // what the destructor frees
  }
  int level_number = 0;
  std::vector<std::uint32_t> as_rows(base.max_links());
  for (const FrozenGraph::Level& level : base.upper_levels()) {
    ++level_number;
    for (std::size_t n = 0; n < level.rows.size(); ++n) {
      const auto of = level.links.subspan(n * base.max_links(), base.max_links());
      std::transform(of.begin(), of.end(), as_rows.begin(),
                     [&](std::uint32_t link) { return link == kNoSlot ? kNoSlot : level.rows[link]; });
      set_links(graph.get_linklist(number_of[level.rows[n]], level_number), graph, as_rows, number_of);
    }
  }
  graph.maxlevel_ = level_number;
  graph.enterpoint_node_ = number_of[base.entry_row()];
  return inserted;
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
    for (std::size_t j = 0; j < n; ++j) target[j] = row_of[list[1 + j]];
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
  Space space(input);
  const std::vector<std::uint32_t> rows = rows_to_insert(input);
  const std::size_t links = input.parameters.max_links;
  std::unique_ptr<Graph> graph;
  try {
    graph =
        std::make_unique<Graph>(&space, rows.size(), links, input.parameters.candidates_at_build, input.parameters.seed);
  } catch (const std::exception& e) {
    throw Error(ErrorCode::resource_exhausted, std::string("cannot allocate a graph: ") + e.what());
  }
  graph->mult_ = 0;  // its own level draw always gives 0; level_of decides
  std::atomic<std::uint64_t> done{0};
  const auto add = [&](std::size_t first, std::size_t last) {
    std::vector<std::byte> element(space.get_data_size());
    for (std::size_t i = first; i < last; ++i) {
      space.copy_row(rows[i], element.data());
      graph->addPoint(element.data(), rows[i], level_of(rows[i], input.parameters));
    }
    const std::uint64_t now = done += last - first;
    if (input.progress) input.progress(now);
  };
  std::size_t inserted = 0;
  if (input.base != nullptr) {
    if (input.base->max_links() != links || input.base->rows() > input.rows)
      throw Error(ErrorCode::internal, "a graph was to grow from one of other parameters");
    inserted = thaw(*graph, *input.base, space, rows);
    done = inserted;
  } else {
    add(0, 1);  // hnswlib's first insertion sets the entry point and is not safe beside others
    inserted = 1;
  }
  parallel_blocks(rows.size() - inserted, 256, input.threads,
                  [&](std::size_t first, std::size_t last) { add(first + inserted, last + inserted); });

  GraphBytes out;
  const auto row_of = rows_of(*graph, rows.size());
  out.links = HugeBuffer(input.rows * 2 * links * sizeof(std::uint32_t));
  auto* const level0 = reinterpret_cast<std::uint32_t*>(out.links.data());
  std::fill_n(level0, input.rows * 2 * links, kNoSlot);
  freeze_level0(*graph, row_of, 2 * links, level0);
  out.upper = freeze_upper(*graph, row_of, static_cast<std::uint32_t>(links));
  connect_all({level0, input.rows * 2 * links}, 2 * links, row_of[graph->enterpoint_node_], rows);
  return out;
}

}  // namespace nestor::index
