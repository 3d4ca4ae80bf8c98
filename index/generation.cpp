// Sections of format 1, little-endian:
//   meta       uint64 x 4: format version, sequence, next slot, rows
//   slots      uint32 per row, ascending
//   points     PointEntry per row
//   values     uint32 per row, kNoValue: none
//   rows       the collection's scalar type per coordinate, row-major, as stored (never rotated)
//   rotation   PcaRotation::bytes, only with rotation pca
//   policy     DefaultPolicy::to_bytes
//   copies     see row_copies.h; only where there are any
// and only when there are graphs:
//   layout     see layout.h; missing in generations of earlier versions
//   quantizer  Quantizer::to_bytes, over the layout's coded widths, of rotated coordinates where it says so
//   codes.N    code bytes of segment N, row-major; or in their place, where the segment is split (index/simd/kernels.h):
//   codes.N.leading, codes.N.trailing   half a byte a code each, row-major
//   code_errors  see code_bound.h; missing in generations of earlier versions
//   graph.W.links, graph.W.upper   see frozen_graph.h
#include "index/generation.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "index/error.h"
#include "index/parallel.h"

namespace nestor::index {
namespace {

[[noreturn]] void damaged(const std::string& what) { throw Error(ErrorCode::data_loss, "the generation " + what); }

}  // namespace

class Generation::SectionMap {
 public:
  explicit SectionMap(const LoadedSections& loaded) {
    for (const Section& s : loaded.sections) sections_[s.name] = s.bytes;
  }
  bool has(const std::string& name) const { return sections_.count(name) != 0; }
  std::span<const std::byte> raw(const std::string& name) const {
    const auto it = sections_.find(name);
    if (it == sections_.end()) damaged("has no section \"" + name + "\"");
    return it->second;
  }
  template <class T>
  std::span<const T> of(const std::string& name, std::size_t count) const {
    const auto bytes = raw(name);
    if (bytes.size() != count * sizeof(T)) damaged("has a section \"" + name + "\" of the wrong size");
    return {reinterpret_cast<const T*>(bytes.data()), count};
  }

 private:
  std::map<std::string, std::span<const std::byte>> sections_;
};

std::shared_ptr<const Generation> Generation::open(const LoadedSections& loaded, const CollectionOptions& options) {
  const SectionMap sections(loaded);
  auto out = std::make_shared<Generation>();
  const auto meta = sections.of<std::uint64_t>("meta", 4);
  if (meta[0] != 1) damaged("has format " + std::to_string(meta[0]) + ", this program reads 1");
  const std::size_t rows = meta[3];
  if (rows > kNoSlot || meta[2] > kNoSlot) damaged("has a row count out of range");
  out->sequence_ = meta[1];
  out->next_slot_ = static_cast<Slot>(meta[2]);
  out->slots_ = sections.of<Slot>("slots", rows);
  for (std::size_t r = 0; r < rows; ++r)
    if (out->slots_[r] >= out->next_slot_ || (r > 0 && out->slots_[r] <= out->slots_[r - 1]))
      damaged("has slots out of order");
  out->points_ = sections.of<PointEntry>("points", rows);
  out->values_ = sections.of<std::uint32_t>("values", rows);
  if (sections.has("rotation")) out->rotation_ = PcaRotation::from_bytes(sections.raw("rotation"));
  if (out->rotation_ && out->rotation_->dim() != options.dim) damaged("has a rotation of another dimension");
  const ScalarType type = options.scalar_type;
  const auto matrix = sections.of<std::byte>("rows", rows * options.dim * (type == ScalarType::float32 ? 4 : 2));
  out->matrix_ = {matrix.data(), rows, options.dim, type};

  if (sections.has("policy")) out->policy_ = DefaultPolicy::from_bytes(sections.raw("policy"));
  if (sections.has("copies")) out->copies_ = RowCopies(sections.raw("copies"), rows);
  if (sections.has("quantizer")) {
    out->layout_ = sections.has("layout") ? Layout::from_bytes(sections.raw("layout"), options) : Layout::of(options);
    const std::vector<std::uint32_t>& widths = out->layout_.graphs;
    out->quantizer_ = Quantizer::from_bytes(sections.raw("quantizer"), out->layout_.coded_widths(options));
    if (out->layout_.rotates_codes && !out->rotation_) damaged("has rotated codes and no rotation");
    if (out->layout_.mixes_codes) out->mixing_ = Mixing(options.dim);
    if (out->layout_.rotates_codes) out->query_columns_ = out->rotation_->columns(out->layout_.coded);
    std::vector<CodeSegment> segments;
    const std::size_t walked = out->layout_.walks_rows ? 0 : out->quantizer_.code_length(widths.back());
    for (std::size_t first = 0; first < out->quantizer_.row_length(); first = segments.back().last)
      segments.push_back(out->open_codes("codes." + std::to_string(segments.size()), first, sections,
                                         {loaded.residency, first < walked}));
    out->codes_ = CodeMatrix(std::move(segments));
    if (sections.has("code_errors")) out->code_bound_ = CodeBound(sections.raw("code_errors"), rows);
    out->largest_norm_ = out->code_bound_.empty() ? static_cast<double>(out->quantizer_.max_norm()) : out->code_bound_.norm();
    if (out->layout_.walks_rows) {
      out->walked_rows_ = out->matrix_;
      out->walked_rows_.data = out->make_resident(matrix).data();
      out->walked_row_bytes_ = matrix.size();
    }
    for (const std::uint32_t width : widths) {
      const std::string name = "graph." + std::to_string(width);
      const auto links = sections.raw(name + ".links"), upper = sections.raw(name + ".upper");
      out->graphs_.push_back({width, FrozenGraph(links, upper, rows), {}});
      if (sections.has("layout") && out->graphs_.back().graph.max_links() != out->layout_.graph.max_links)
        damaged("has a graph of other links than its layout says");
      out->link_bytes_ += out->graphs_.back().graph.links().bytes() + upper.size();
    }
    for (WidthGraph& graph : out->graphs_) graph.effort = WalkEffort::measure(*out, graph, options.metric);
  }
  out->fingerprint_ = loaded.fingerprint;
  out->owner_ = loaded.owner;
  return out;
}

CodeSegment Generation::open_codes(const std::string& name, std::size_t first, const SectionMap& sections,
                                   CodesUse use) {
  const bool split = sections.has(name + ".leading");
  const auto plane = [&](const std::string& section, std::size_t bytes, bool walked) {
    const auto found = sections.raw(section);
    if (found.size() != bytes) damaged("has codes of the wrong size");
    const bool resident = walked || (use.residency == Residency::all_codes && !layout_.walks_rows);
    (resident ? code_bytes_ : mapped_code_bytes_) += bytes;
    return reinterpret_cast<const std::uint8_t*>((resident ? make_resident(found) : found).data());
  };
  const std::size_t rows = matrix_.rows, bytes = sections.raw(split ? name + ".leading" : name).size();
  const std::size_t length = rows == 0 ? 0 : bytes / rows * (split ? 2 : 1);
  if (length == 0 || bytes % rows != 0 || length % simd::kCodeAlign != 0 || first + length > quantizer_.row_length())
    damaged("has codes of the wrong size");
  if (!split) return {plane(name, bytes, use.walked), first, first + length};
  const auto* const leading = plane(name + ".leading", bytes, use.walked);
  return {leading, first, first + length, plane(name + ".trailing", bytes, false)};
}

std::span<const std::byte> Generation::make_resident(std::span<const std::byte> bytes) {
  constexpr std::size_t kBlock = std::size_t{8} << 20;
  HugeBuffer buffer(bytes.size());
  parallel_blocks(bytes.size(), kBlock, 0, [&](std::size_t first, std::size_t last) {
    std::memcpy(buffer.data() + first, bytes.data() + first, last - first);
  });
  resident_.push_back(std::move(buffer));
  return resident_.back().bytes();
}

const WidthGraph* Generation::graph_for(std::uint32_t width) const {
  if (graphs_.empty()) return nullptr;
  for (const WidthGraph& g : graphs_)
    if (g.width >= width) return &g;
  return &graphs_.back();
}

MemoryReport Generation::memory() const {
  MemoryReport out;
  out.links = link_bytes_;
  out.codes = code_bytes_;
  out.walked_rows = walked_row_bytes_;
  out.mapped_codes = mapped_code_bytes_;
  out.rows = matrix_.rows * matrix_.dim * (matrix_.scalar_type == ScalarType::float32 ? 4 : 2);
  out.ids = slots_.size_bytes() + points_.size_bytes() + values_.size_bytes();
  return out;
}

}  // namespace nestor::index
