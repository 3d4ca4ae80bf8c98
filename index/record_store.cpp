#include "index/record_store.h"

#include "index/error.h"

namespace nestor::index {

void RecordStore::write_certificates(const std::vector<Certificate>&) {
  throw Error(ErrorCode::failed_precondition, "this store of records keeps no certificates");
}

}  // namespace nestor::index
