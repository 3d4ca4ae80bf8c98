#pragma once
// The state of every collection, read when it is asked for.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <utility>

#include "storage/database.h"

namespace nestor::server {

// Thread-safe. One collection costs its info() and a walk over its folder.
class CollectionGauges : public prometheus::Collectable {
 public:
  CollectionGauges(const storage::Database& database, std::string data_directory)
      : database_(database), data_directory_(std::move(data_directory)) {}
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const storage::Database& database_;
  const std::string data_directory_;  // empty: the disk is not measured
};

}  // namespace nestor::server
