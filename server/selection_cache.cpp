#include "server/selection_cache.h"

#include <algorithm>

namespace nestor::server {

std::shared_ptr<const index::SelectedSlots> SelectionCache::find(std::string_view filter, index::Sequence sequence) {
  const std::lock_guard lock(mutex_);
  if (sequence_ != sequence) return nullptr;
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.filter == filter; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->slots;
}

void SelectionCache::put(std::string_view filter, index::Sequence sequence, std::shared_ptr<const index::SelectedSlots> slots) {
  const std::lock_guard lock(mutex_);
  if (sequence < sequence_) return;
  if (sequence > sequence_) {
    entries_.clear();
    bytes_ = 0;
    sequence_ = sequence;
  }
  Entry entry{std::string(filter), std::move(slots)};
  if (entry.bytes() > kMostBytes / 4) return;
  bytes_ += entry.bytes();
  entries_.push_front(std::move(entry));
  while (bytes_ > kMostBytes) {
    bytes_ -= entries_.back().bytes();
    entries_.pop_back();
  }
}

}  // namespace nestor::server
