#include "index/row_columns.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "index/error.h"

namespace nestor::index {

void RowColumns::set_weight(Slot slot, float weight) {
  if (!std::isfinite(weight) || weight <= 0)
    throw Error(ErrorCode::invalid_argument,
                "the weight of a row must be a finite number above 0, got " + std::to_string(weight));
  if (slot >= weights_.size()) weights_.resize(std::max<std::size_t>(slot + 1, weights_.size() * 3 / 2), 1.0f);
  weights_[slot] = weight;
  max_weight_ = std::max(max_weight_, weight);
}

void RowColumns::set_document(Slot slot, std::uint64_t document) {
  if (slot >= documents_.size())
    documents_.resize(std::max<std::size_t>(slot + 1, documents_.size() * 3 / 2), kNoDocument);
  documents_[slot] = document;
}

void RowColumns::finish(Slot next_slot, std::uint64_t numbering) {
  next_slot_ = next_slot;
  numbering_ = numbering;
  by_document_.clear();
  for (Slot slot = 0; slot < documents_.size(); ++slot)
    if (documents_[slot] != kNoDocument) by_document_.push_back(slot);
  const auto in_order = [this](Slot a, Slot b) { return documents_[a] < documents_[b]; };
  if (!std::is_sorted(by_document_.begin(), by_document_.end(), in_order))
    std::stable_sort(by_document_.begin(), by_document_.end(), in_order);
}

std::span<const Slot> RowColumns::slots_of(std::uint64_t document) const {
  if (document == kNoDocument) return {};
  const auto before = [this](Slot slot, std::uint64_t wanted) { return documents_[slot] < wanted; };
  const auto first = std::lower_bound(by_document_.begin(), by_document_.end(), document, before);
  auto last = first;
  while (last != by_document_.end() && documents_[*last] == document) ++last;
  return std::span(by_document_)
      .subspan(static_cast<std::size_t>(first - by_document_.begin()), static_cast<std::size_t>(last - first));
}

}  // namespace nestor::index
