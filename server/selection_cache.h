#pragma once
// The slots of recent filters of one collection: until the next write the same filter has the same answer.

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "index/row_choice.h"

namespace nestor::server {

// Thread-safe.
class SelectionCache {
 public:
  // Null: not known as of this sequence number.
  std::shared_ptr<const index::SelectedSlots> find(std::string_view filter, index::Sequence sequence);
  // `sequence`: the collection's before the slots were selected.
  void put(std::string_view filter, index::Sequence sequence, std::shared_ptr<const index::SelectedSlots> slots);

  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;

 private:
  struct Entry {
    std::string filter;
    std::shared_ptr<const index::SelectedSlots> slots;
    std::size_t bytes() const { return filter.size() + slots->size() * 8 + 128; }
  };

  std::mutex mutex_;
  index::Sequence sequence_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::size_t bytes_ = 0;
};

}  // namespace nestor::server
