#include "index/layout_sample.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "index/distance.h"

namespace nestor::index {
namespace {

constexpr std::size_t kLeastRows = 8'000, kSampledShare = 10;  // one row in ten

template <class T>
Section section_of(const char* name, const std::vector<T>& values) {
  return {name, std::as_bytes(std::span(values))};
}

std::uint32_t place_of(const std::vector<std::uint32_t>& chosen, std::uint32_t row) {
  return static_cast<std::uint32_t>(std::lower_bound(chosen.begin(), chosen.end(), row) - chosen.begin());
}

}  // namespace

LayoutSample::LayoutSample(const LayoutSearchInput& all, const RecallQuestions& asked) {
  choose_rows(all, asked);
  map_questions(asked);
  input_ = all;
  input_.rows = rows_.data();
  input_.count = chosen_.size();
  input_.dead = &dead_;
  input_.progress = [](const std::string&, std::uint64_t, std::uint64_t) {};
  copies_ = find_copies(rows_.data(), chosen_.size(), all.options->dim, 0, {}, all.threads);
  input_.copies = copies_;
  make_sections(all);
}

void LayoutSample::choose_rows(const LayoutSearchInput& all, const RecallQuestions& asked) {
  const std::size_t wanted = std::max(kLeastRows, all.count / kSampledShare), dim = all.options->dim;
  for (std::size_t q = 0; q < asked.questions.size() && chosen_.size() < wanted / 2; ++q) {
    if (asked.questions[q].row != kNoSlot) chosen_.push_back(asked.questions[q].row);
    chosen_.insert(chosen_.end(), asked.nearest[q].begin(), asked.nearest[q].end());
    questions_.questions.push_back(asked.questions[q]);
  }
  const std::size_t others = wanted - std::min(wanted, chosen_.size());
  for (std::size_t i = 0; i < others; ++i) chosen_.push_back(static_cast<std::uint32_t>(i * all.count / others));
  std::sort(chosen_.begin(), chosen_.end());
  chosen_.erase(std::unique(chosen_.begin(), chosen_.end()), chosen_.end());
  rows_.resize(chosen_.size() * dim);
  for (std::size_t i = 0; i < chosen_.size(); ++i)
    std::memcpy(&rows_[i * dim], all.rows + chosen_[i] * dim, dim * sizeof(float));
}

// Nothing outside the sample is nearer than a question's neighbours, which are all inside: the answers are known.
void LayoutSample::map_questions(const RecallQuestions& asked) {
  questions_.dimensions = asked.dimensions;
  questions_.answers_many = false;
  for (std::size_t q = 0; q < questions_.questions.size(); ++q) {
    std::uint32_t& row = questions_.questions[q].row;
    if (row != kNoSlot) row = place_of(chosen_, row);
    std::vector<std::uint32_t> nearest;
    for (const std::uint32_t r : asked.nearest[q]) nearest.push_back(place_of(chosen_, r));
    questions_.nearest.push_back(std::move(nearest));
  }
}

void LayoutSample::make_sections(const LayoutSearchInput& all) {
  const std::size_t n = chosen_.size();
  slots_.resize(n);
  std::iota(slots_.begin(), slots_.end(), Slot{0});
  for (std::size_t i = 0; i < n; ++i) points_.push_back(PointEntry::make(PointId::number(i), 1));
  values_.assign(n, kNoValue);
  meta_ = {1, all.common.sequence, n, n};
  input_.common = {all.common.sequence,
                   {section_of("meta", meta_), section_of("slots", slots_), section_of("points", points_),
                    section_of("values", values_)},
                   nullptr};
  auto& sections = input_.common.sections;
  if (all.options->scalar_type == ScalarType::float32) {
    sections.push_back(section_of("rows", rows_));
  } else {
    stored_rows_.resize(rows_.size() * sizeof(std::uint16_t));
    kernels().f16_from_f32(rows_.data(), reinterpret_cast<std::uint16_t*>(stored_rows_.data()), rows_.size());
    sections.push_back(section_of("rows", stored_rows_));
  }
  if (all.rotation != nullptr) {
    const auto bytes = all.rotation->bytes();
    rotation_bytes_.assign(bytes.begin(), bytes.end());
    sections.push_back(section_of("rotation", rotation_bytes_));
  }
  if (copies_.empty()) return;
  copy_bytes_ = RowCopies::to_bytes(copies_);
  sections.push_back(section_of("copies", copy_bytes_));
}

}  // namespace nestor::index
