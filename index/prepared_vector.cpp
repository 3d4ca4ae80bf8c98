#include "index/prepared_vector.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "index/distance.h"
#include "index/error.h"
#include "index/lanes.h"

namespace nestor::index {
namespace {

// Squared lengths beyond this overflow float32 where two vectors are compared.
constexpr double kMostSquares = 1e37;

void check_length(const CollectionOptions& options, double squares, const char* what) {
  if (options.metric != Metric::cosine && squares > kMostSquares)
    throw Error(ErrorCode::invalid_argument, std::string("a ") + what + " of length " + std::to_string(std::sqrt(squares)) +
                                                 " cannot be compared in 32-bit numbers: at most 3.16e18");
}

}  // namespace

void prepare_vector(const CollectionOptions& options, std::span<const float> in, float* out) {
  if (in.size() != options.dim)
    throw Error(ErrorCode::invalid_argument, "Vector dimension error: expected dim: " + std::to_string(options.dim) +
                                                 ", got " + std::to_string(in.size()));
  double norm = 0;
  for (std::size_t j = 0; j < in.size(); ++j) {
    if (!std::isfinite(in[j]))
      throw Error(ErrorCode::invalid_argument, "vector coordinate " + std::to_string(j) + " is not a finite number");
    norm += static_cast<double>(in[j]) * in[j];
    out[j] = in[j];
  }
  check_length(options, norm, "vector");
  if (options.metric == Metric::cosine) {
    const double inverse = 1.0 / std::sqrt(norm);
    // A vector that is already normalised keeps its bits, so that writing what was read changes nothing. So does a zero
    // vector: it has no direction, and a similarity of 0 to everything.
    if (norm > 0 && std::fabs(norm - 1.0) > 1e-6)
      for (std::size_t j = 0; j < in.size(); ++j) out[j] = static_cast<float>(in[j] * inverse);
  }
  if (options.scalar_type == ScalarType::float16) {
    std::vector<std::uint16_t> half(in.size());
    kernels().f16_from_f32(out, half.data(), in.size());
    kernels().f32_from_f16(half.data(), out, in.size());
    for (std::size_t j = 0; j < in.size(); ++j)
      if (!std::isfinite(out[j]))
        throw Error(ErrorCode::invalid_argument, "vector coordinate " + std::to_string(j) + " is " +
                                                     std::to_string(in[j]) + ", float16 holds at most 65504");
  }
}

std::vector<float> query_values(const CollectionOptions& options, std::span<const float> query) {
  // A sum of magnitudes is finite when all of them are; only a sum that is not has to be looked into.
  const bool finite =
      std::isfinite(lane_sum(query.size(), [&](std::size_t j) { return static_cast<double>(std::fabs(query[j])); }));
  for (std::size_t j = 0; !finite && j < query.size(); ++j)
    if (!std::isfinite(query[j]))
      throw Error(ErrorCode::invalid_argument, "query coordinate " + std::to_string(j) + " is not a finite number");
  std::vector<float> values(query.begin(), query.end());
  const double norm =
      lane_sum(values.size(), [&](std::size_t j) { return static_cast<double>(values[j]) * values[j]; });
  check_length(options, norm, "query");
  if (options.metric != Metric::cosine || !(norm > 0)) return values;  // no direction: as near to everything
  const double inverse = 1.0 / std::sqrt(norm);
  for (float& x : values) x = static_cast<float>(x * inverse);
  return values;
}

PreparedQuery prepare_query(const CollectionOptions& options, const Generation& generation,
                            std::span<const float> query, const SearchOptions& search) {
  const bool is_short = query.size() != options.dim;
  if (is_short && (!std::binary_search(options.widths.begin(), options.widths.end(), query.size())))
    throw Error(ErrorCode::invalid_argument, "Vector dimension error: expected dim: " + std::to_string(options.dim) +
                                                 ", got " + std::to_string(query.size()));
  if (is_short && options.rotation != Rotation::none)
    throw Error(ErrorCode::invalid_argument, "a rotated collection needs the full query of " +
                                                 std::to_string(options.dim) + " coordinates, got " +
                                                 std::to_string(query.size()));
  PreparedQuery out;
  out.width = search.width.value_or(static_cast<std::uint32_t>(query.size()));
  if (out.width > query.size())
    throw Error(ErrorCode::invalid_argument, "width " + std::to_string(out.width) + " exceeds the query's " +
                                                 std::to_string(query.size()) + " coordinates");
  out.uneven_rows = options.metric == Metric::cosine && options.scalar_type == ScalarType::float16;
  out.values = query_values(options, query);
  out.values.resize(options.dim, 0.0f);
  const bool ranks_rotated = generation.rotation() != nullptr && out.width < options.dim;
  if (ranks_rotated) {
    out.rotated.resize(std::max<std::size_t>(out.width, generation.rotates_codes() ? generation.quantizer().dim() : 0));
    generation.rotation()->apply(out.values, out.rotated);
  }
  if (generation.rotates_codes() && ranks_rotated) {
    out.turned = out.rotated;
  } else if (generation.codes_turned()) {
    out.turned.resize(generation.quantizer().dim());
    generation.turn(out.values, out.turned);
  }
  return out;
}

}  // namespace nestor::index
