#include "index/record_store.h"

#include <atomic>

#include "index/error.h"

namespace nestor::index {

std::uint64_t RecordStore::next_numbering() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

void RecordStore::write_certificates(const std::vector<Certificate>&) {
  throw Error(ErrorCode::failed_precondition, "this store of records keeps no certificates");
}

void RecordStore::write_tuned_policy(const std::optional<TunedPolicy>&) {
  throw Error(ErrorCode::failed_precondition, "this store of records keeps no tuned policy");
}

}  // namespace nestor::index
