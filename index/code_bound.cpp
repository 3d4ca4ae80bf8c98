#include "index/code_bound.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "index/error.h"

namespace nestor::index {
namespace {

struct Header {
  std::uint32_t version;
  float unit, reach, norm, norm_slack, code_reach;
  std::uint32_t zero[2];
};
constexpr std::uint32_t kVersion = 1;
constexpr int kLargest = 254;  // byte of the largest error
constexpr float kOutlier = 100;  // times the median: errors that are not counted on

float rounded_up(double x) { return std::nextafter(static_cast<float>(x), std::numeric_limits<float>::infinity()); }

}  // namespace

CodeError measure_code(const Quantizer& quantizer, const float* coded, const std::uint8_t* code, const float* row,
                       std::size_t dim) {
  double error = 0, reach = 0, code_reach = 0, norm = 0;
  for (std::size_t j = 0; j < quantizer.dim(); ++j) {
    const int level = code[quantizer.position(j)];
    const double decoded = static_cast<double>(quantizer.offset(j)) + static_cast<double>(quantizer.step(j)) * level;
    const double from_middle = static_cast<double>(quantizer.step(j)) * (level - 64);
    error += (coded[j] - decoded) * (coded[j] - decoded);
    reach += from_middle * from_middle;
    code_reach += static_cast<double>(level - 64) * (level - 64);
  }
  for (std::size_t j = 0; j < dim; ++j) norm += static_cast<double>(row[j]) * row[j];
  return {rounded_up(std::sqrt(error)), rounded_up(std::sqrt(reach)), rounded_up(std::sqrt(code_reach)),
          rounded_up(std::sqrt(norm)), rounded_up(std::fabs(norm - 1))};
}

CodeBound::CodeBound(std::span<const std::byte> section, std::size_t rows) {
  Header header{};
  if (section.size() >= sizeof header) std::memcpy(&header, section.data(), sizeof header);
  const auto sane = [](float x) { return std::isfinite(x) && x >= 0; };
  if (header.version != kVersion || section.size() != sizeof header + rows || !sane(header.unit) ||
      !sane(header.reach) || !sane(header.code_reach) || !sane(header.norm) || !sane(header.norm_slack))
    throw Error(ErrorCode::data_loss, "the generation's code errors do not fit its rows");
  unit_ = header.unit;
  reach_ = header.reach;
  code_reach_ = header.code_reach;
  norm_ = header.norm;
  norm_slack_ = header.norm_slack;
  errors_ = reinterpret_cast<const std::uint8_t*>(section.data() + sizeof header);
}

std::vector<std::byte> CodeBound::to_bytes(std::span<const CodeError> rows) {
  // One row that no code comes near (a vector a million times as long as the rest) must not make the unit so large that
  // nothing is known of the others: it is unknown, and looked at by every scan.
  std::vector<float> errors;
  for (const CodeError& row : rows) errors.push_back(row.error);
  float largest = std::numeric_limits<float>::max();
  if (!errors.empty()) {
    const auto middle = errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2);
    std::nth_element(errors.begin(), middle, errors.end());
    if (*middle > 0) largest = std::min(largest, kOutlier * *middle);
  }
  CodeError most;
  for (const CodeError& row : rows) {
    if (!(row.error <= largest)) continue;
    most.error = std::max(most.error, row.error);
    most.reach = std::max(most.reach, row.reach);
    most.norm = std::max(most.norm, row.norm);
    // A zero vector among unit vectors is as if it had not been measured: its slack of 1 would be that of all.
    if (row.norm > std::numeric_limits<float>::min()) most.norm_slack = std::max(most.norm_slack, row.norm_slack);
    most.code_reach = std::max(most.code_reach, row.code_reach);
  }
  const Header header{kVersion,
                      rounded_up(static_cast<double>(most.error) / kLargest),
                      most.reach,
                      most.norm,
                      most.norm_slack,
                      most.code_reach,
                      {}};
  std::vector<std::byte> bytes(sizeof header + rows.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  const CodeBound limits(bytes, rows.size());
  for (std::size_t r = 0; r < rows.size(); ++r) bytes[sizeof header + r] = std::byte{limits.byte_of(rows[r])};
  return bytes;
}

std::uint8_t CodeBound::byte_of(const CodeError& row) const {
  if (row.reach > reach_ || (code_reach_ > 0 && row.code_reach > code_reach_) || row.norm > norm_ ||
      row.norm_slack > norm_slack_)
    return kUnknown;
  const double steps = std::ceil(static_cast<double>(row.error) / unit_);
  return steps <= kLargest ? static_cast<std::uint8_t>(steps) : kUnknown;
}

}  // namespace nestor::index
