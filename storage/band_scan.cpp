#include "storage/band_scan.h"

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/snapshot.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "index/error.h"
#include "storage/record_codec.h"
#include "storage/rocks_error.h"

namespace nestor::storage {
namespace {

// Bands lie far apart in the file, so each iterator reads ahead for itself: some seeks per two megabytes.
constexpr std::size_t kReadaheadBytes = std::size_t{2} << 20;

constexpr std::string_view kAction = "scan vectors";

// One band's column of values. The bounds must stay in place while the iterator lives, so cursors do not move.
class BandCursor {
 public:
  BandCursor(const BandScan& scan, std::size_t band, const rocksdb::Snapshot* snapshot)
      : band_(band),
        first_key_(encode_band_key(static_cast<std::uint8_t>(band), scan.first)),
        end_key_(encode_band_key(static_cast<std::uint8_t>(band), scan.last)),
        end_(end_key_.bytes.data(), end_key_.size) {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot;
    options.iterate_upper_bound = &end_;
    options.readahead_size = kReadaheadBytes;
    options.fill_cache = false;  // a scan would push out what point reads keep warm
    iterator_.reset(scan.db.NewIterator(options, scan.bands));
    iterator_->Seek({first_key_.bytes.data(), first_key_.size});
  }
  BandCursor(const BandCursor&) = delete;
  BandCursor& operator=(const BandCursor&) = delete;

  std::size_t band() const { return band_; }

  // False at the end of the range; trouble throws.
  bool valid() const {
    if (iterator_->Valid()) return true;
    check(iterator_->status(), kAction);
    return false;
  }
  index::Slot slot() const {
    const rocksdb::Slice key = iterator_->key();
    return decode_band_key({key.data(), key.size()});
  }
  std::string_view value() const {
    const rocksdb::Slice bytes = iterator_->value();
    return {bytes.data(), bytes.size()};
  }
  void next() { iterator_->Next(); }

 private:
  std::size_t band_;
  BandKey first_key_, end_key_;
  rocksdb::Slice end_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace

void BandScan::run(const std::function<bool(index::Slot, std::span<const float>)>& visit) const {
  if (first >= last) return;
  rocksdb::ManagedSnapshot snapshot(&db);
  std::vector<std::unique_ptr<BandCursor>> cursors;
  for (std::size_t band = 0; band < codec.bands_for(width); ++band)
    cursors.push_back(std::make_unique<BandCursor>(*this, band, snapshot.snapshot()));

  std::vector<float> row(width);
  // A slot's bands are written and removed together, so all cursors see the same slots and move in step.
  for (BandCursor& lead = *cursors.front(); lead.valid();) {
    const index::Slot slot = lead.slot();
    for (const auto& cursor : cursors) {
      if (!cursor->valid() || cursor->slot() != slot)
        throw index::Error(index::ErrorCode::data_loss,
                           "row " + std::to_string(slot) + " lacks band " + std::to_string(cursor->band()));
      codec.decode(cursor->band(), cursor->value(), row);
    }
    if (!visit(slot, row)) return;
    for (const auto& cursor : cursors) cursor->next();
  }
}

}  // namespace nestor::storage
