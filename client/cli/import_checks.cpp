#include "client/cli/import_checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "index/error.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

constexpr float kLargestHalf = 65504.0f;
constexpr std::uint64_t kLargestInt16 = 32767;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

// One pass without branches inside, so that the compiler can vectorise it; false for NaN as well.
bool all_within(std::span<const float> numbers, float limit) {
  bool good = true;
  for (const float number : numbers) good &= std::fabs(number) <= limit;
  return good;
}

bool all_zero(std::span<const float> numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](float x) { return x == 0; });
}

[[noreturn]] void refuse_zero(const std::string& path, std::uint64_t row) {
  refuse(path + ": row " + std::to_string(row) + " is a zero vector, which has no direction for the cosine metric");
}

void refuse_coordinate(const std::string& path, std::uint64_t row, std::span<const float> vector, float limit) {
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (std::fabs(vector[i]) <= limit) continue;
    const std::string where = path + ": row " + std::to_string(row) + ", coordinate " + std::to_string(i) + " is ";
    const std::string hint = "; --skip-nonfinite leaves such rows out";
    if (std::isnan(vector[i])) refuse(where + "NaN" + hint);
    if (std::isinf(vector[i])) refuse(where + "infinite" + hint);
    refuse(where + std::to_string(vector[i]) + ", too large for float16 (at most 65504); use --scalar-type float32");
  }
}

}  // namespace

RowVerdict RowCheck::key(std::uint64_t row, std::span<const float> vector) {
  if (zero_refused_ && !all_zero(vector)) refuse_zero(keys_path_, *zero_from_);
  const bool half = options_.scalar_type == index::ScalarType::float16;
  // Unit vectors fit float16 whatever their length was before.
  const float limit =
      half && options_.metric != index::Metric::cosine ? kLargestHalf : std::numeric_limits<float>::max();
  if (!all_within(vector, limit)) {
    const bool finite = std::all_of(vector.begin(), vector.end(), [](float x) { return std::isfinite(x); });
    if (finite || !rules_.skip_nonfinite) refuse_coordinate(keys_path_, row, vector, limit);
    ++report_.skipped;
    zero_from_.reset();
    return RowVerdict::skip;
  }
  if (!all_zero(vector)) {
    zero_from_.reset();
    return RowVerdict::good;
  }
  if (!zero_from_) zero_from_ = row;
  ++report_.zero_rows;
  if (options_.metric == index::Metric::cosine) {
    if (!rules_.trim_zero_tail) refuse_zero(keys_path_, row);
    zero_refused_ = true;
  }
  return RowVerdict::good;
}

void RowCheck::value(std::uint64_t row, std::int64_t value) {
  const std::string where = values_path_ + ": row " + std::to_string(row) + " holds " + std::to_string(value);
  if (value == -100)
    refuse(where + ", the label of a position that does not count; leave such rows out of the datastore");
  if (value < 0 || value >= std::numeric_limits<std::uint32_t>::max())
    refuse(where + "; a token id is 0 to 4294967294");
  if (rules_.vocabulary && static_cast<std::uint64_t>(value) >= *rules_.vocabulary)
    refuse(where + "; the vocabulary has " + std::to_string(*rules_.vocabulary) + " tokens");
  report_.largest_token = std::max(report_.largest_token, static_cast<std::uint64_t>(value));
}

void RowCheck::weight(const std::string& path, std::uint64_t row, std::int64_t weight) {
  if (weight > 0 && weight < (std::int64_t{1} << 53)) return;
  refuse(path + ": row " + std::to_string(row) + " has weight " + std::to_string(weight) +
         "; a weight is a count above 0");
}

void RowCheck::finish(std::uint64_t rows, bool never_filled) {
  report_.zero_tail = zero_from_ ? rows - *zero_from_ : 0;
  if (report_.zero_tail == 0 || rules_.trim_zero_tail || !never_filled) return;
  refuse(keys_path_ + ": the last " + std::to_string(report_.zero_tail) + " of " + std::to_string(rows) +
         " rows are all zeros, from row " + std::to_string(*zero_from_) +
         " on: the file was made larger than it was filled; --trim-zero-tail leaves them out");
}

void check_value_kind(const std::string& path, bool sixteen_bits, const std::optional<std::uint64_t>& vocabulary) {
  if (sixteen_bits && vocabulary && *vocabulary > kLargestInt16 + 1)
    refuse(path + ": token ids of 16 bits, but the vocabulary has " + std::to_string(*vocabulary) +
           " tokens: token ids were wrapped; they cannot be repaired; regenerate the datastore");
}

}  // namespace nestor::client
