#pragma once
// A collection's own default depth: chosen by tuning on queries (tuner.h), in place of the gap that its build chose.

#include <cstdint>

#include "index/search_policy.h"

namespace nestor::index {

// Serves searches that say nothing about depth: all of it at the k it was chosen for, its gap alone at another k.
// It stays through builds, folds and compactions until it is replaced or dropped. No promise: that is a certificate.
struct TunedPolicy {
  SearchPolicy policy;        // without learnt parts
  std::uint32_t k = 10;       // it was chosen for
  double recall = 0;          // recall@k on the queries held out
  std::uint64_t queries = 0;  // held out

  bool operator==(const TunedPolicy&) const = default;
};

}  // namespace nestor::index
