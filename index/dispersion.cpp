#include "index/dispersion.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

}  // namespace

Dispersion::Dispersion(std::vector<std::uint32_t> widths) : widths_(std::move(widths)) {
  if (widths_.empty() || widths_.front() == 0) refuse("dispersion needs at least one width above 0");
  for (std::size_t i = 1; i < widths_.size(); ++i)
    if (widths_[i] <= widths_[i - 1])
      refuse("widths must ascend, found " + std::to_string(widths_[i]) + " after " + std::to_string(widths_[i - 1]));
  for (const std::uint32_t width : widths_) sums_.push_back({0, 0, std::vector<double>(width)});
}

void Dispersion::add(std::span<const float> rows) {
  const std::size_t dim = widths_.back();
  if (rows.size() % dim != 0)
    refuse(std::to_string(rows.size()) + " values are not rows of " + std::to_string(dim) + " coordinates");
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (!std::isfinite(rows[i]))
      refuse("row " + std::to_string(i / dim) + ", coordinate " + std::to_string(i % dim) + " is not a finite number");
  for (std::size_t first = 0; first < rows.size(); first += dim) {
    const float* row = rows.data() + first;
    double norm = 0;
    std::size_t done = 0;
    for (std::size_t w = 0; w < widths_.size(); ++w) {
      for (; done < widths_[w]; ++done) norm += double{row[done]} * row[done];
      Sum& sum = sums_[w];
      if (!(norm > 0)) {
        ++sum.zeros;
        continue;
      }
      ++sum.count;
      const double inverse = 1 / std::sqrt(norm);
      for (std::size_t j = 0; j < widths_[w]; ++j) sum.sum[j] += row[j] * inverse;
    }
  }
}

void Dispersion::merge(const Dispersion& other) {
  check_same(other);
  for (std::size_t w = 0; w < sums_.size(); ++w) {
    sums_[w].count += other.sums_[w].count;
    sums_[w].zeros += other.sums_[w].zeros;
    for (std::size_t j = 0; j < sums_[w].sum.size(); ++j) sums_[w].sum[j] += other.sums_[w].sum[j];
  }
}

double Dispersion::value(std::size_t width_index) const {
  const Sum& sum = at(width_index);
  if (sum.count < 2) refuse("dispersion needs two rows with a direction, got " + std::to_string(sum.count));
  const auto n = static_cast<double>(sum.count);
  double squared = 0;
  for (const double s : sum.sum) squared += (s / n) * (s / n);
  return n / (n - 1) * (1 - squared);
}

double Dispersion::between(const Dispersion& other, std::size_t width_index) const {
  check_same(other);
  const Sum &a = at(width_index), &b = other.at(width_index);
  if (a.count == 0 || b.count == 0) refuse("the dispersion between two sets needs a row with a direction in each");
  double product = 0;
  for (std::size_t j = 0; j < a.sum.size(); ++j)
    product += (a.sum[j] / static_cast<double>(a.count)) * (b.sum[j] / static_cast<double>(b.count));
  return 1 - product;
}

const Dispersion::Sum& Dispersion::at(std::size_t width_index) const {
  if (width_index >= sums_.size())
    refuse("width number " + std::to_string(width_index) + " is out of range 0.." + std::to_string(sums_.size() - 1));
  return sums_[width_index];
}

void Dispersion::check_same(const Dispersion& other) const {
  if (other.widths_ != widths_) refuse("the two sets were measured at different widths");
}

}  // namespace nestor::index
