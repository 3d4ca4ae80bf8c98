#include "index/layout.h"

#include <algorithm>
#include <cstring>

#include "index/error.h"

namespace nestor::index {
namespace {

constexpr std::uint32_t kVersion = 1, kWalksRows = 1, kRotatesCodes = 2, kMixesCodes = 4;
constexpr std::size_t kFixed = 6;  // words before the widths of the graphs

}  // namespace

Layout Layout::of(const CollectionOptions& options) {
  Layout out;
  out.rotates_codes = options.rotation != Rotation::none;
  // Rotating a query costs dim multiply-adds a coordinate, more than a whole walk for the last ones, which hardly add to
  // the distance: codes end at the widest graph.
  out.coded = out.rotates_codes ? options.graphs.back() : options.dim;
  out.graphs = out.asked = options.graphs;
  out.graph = options.graph;
  return out;
}

std::vector<std::byte> Layout::to_bytes() const {
  std::vector<std::uint32_t> words{kVersion,
                                   (walks_rows ? kWalksRows : 0u) | (rotates_codes ? kRotatesCodes : 0u) |
                                       (mixes_codes ? kMixesCodes : 0u),
                                   coded,
                                   graph.max_links,
                                   graph.candidates_at_build,
                                   static_cast<std::uint32_t>(graphs.size())};
  words.insert(words.end(), graphs.begin(), graphs.end());
  words.push_back(static_cast<std::uint32_t>(asked.size()));
  words.insert(words.end(), asked.begin(), asked.end());
  std::vector<std::byte> bytes(words.size() * sizeof(std::uint32_t));
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return bytes;
}

Layout Layout::from_bytes(std::span<const std::byte> bytes, const CollectionOptions& options) {
  std::vector<std::uint32_t> words(bytes.size() / sizeof(std::uint32_t));
  if (!words.empty()) std::memcpy(words.data(), bytes.data(), words.size() * sizeof(std::uint32_t));
  const auto known = [&](std::uint32_t width) {
    return std::binary_search(options.widths.begin(), options.widths.end(), width);
  };
  const auto damaged = [](const char* how) {
    throw Error(ErrorCode::data_loss, std::string("the generation's layout ") + how);
  };
  const bool whole = bytes.size() % sizeof(std::uint32_t) == 0 && words.size() > kFixed && words[0] == kVersion &&
                     words[1] <= 7 && words[5] != 0 && words[5] <= kMaxWidths && words.size() > kFixed + words[5] &&
                     words.size() == kFixed + words[5] + 1 + words[kFixed + words[5]];
  if (!whole) damaged("cannot be read");
  const std::span graphs = std::span(words).subspan(kFixed, words[5]), asked = std::span(words).subspan(kFixed + words[5] + 1);
  const bool mixes = (words[1] & kMixesCodes) != 0;
  if (!known(words[2]) || !std::all_of(graphs.begin(), graphs.end(), known) ||
      !std::is_sorted(graphs.begin(), graphs.end()) || graphs.back() > words[2] ||
      (mixes && (graphs.size() != 1 || graphs.back() != options.dim || words[2] != options.dim)))
    damaged("does not fit the collection");
  if (!std::equal(asked.begin(), asked.end(), options.graphs.begin(), options.graphs.end()))
    damaged("was chosen for other graphs");
  Layout out;
  out.walks_rows = (words[1] & kWalksRows) != 0;
  out.rotates_codes = (words[1] & kRotatesCodes) != 0;
  out.mixes_codes = (words[1] & kMixesCodes) != 0;
  out.coded = words[2];
  out.graph = options.graph;
  out.graph.max_links = words[3];
  out.graph.candidates_at_build = words[4];
  out.graphs.assign(graphs.begin(), graphs.end());
  out.asked.assign(asked.begin(), asked.end());
  return out;
}

std::vector<std::uint32_t> Layout::coded_widths(const CollectionOptions& options) const {
  if (mixes_codes) return {coded};
  std::vector<std::uint32_t> widths = options.widths;
  while (widths.back() > coded) widths.pop_back();
  return widths;
}

std::string Layout::describe(std::uint32_t dim) const {
  if (walks_rows) return "stored rows";
  const std::uint32_t walked = graphs.back();
  std::string out = "codes of ";
  out += walked == dim ? "all " + std::to_string(dim) : std::to_string(walked) + " of " + std::to_string(dim);
  return out + (rotates_codes ? " principal components" : mixes_codes ? " coordinates, mixed" : " coordinates");
}

}  // namespace nestor::index
