#pragma once
// The certificates of one collection, and which of them serves a query.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "index/certificate.h"
#include "index/search_types.h"

namespace nestor::index {

// How deep one query goes, and what may be said of its answer (exit_stage is left empty).
struct DepthChoice {
  SearchPolicy policy;
  Certification certification;
};

// What the choice depends on besides SearchOptions.
struct DepthContext {
  ServedState state;
  PolicySpace space;
  Metric metric = Metric::l2;
};

// Thread-safe. A query copies one pointer.
class CertificateBook {
 public:
  using List = std::vector<Certificate>;

  explicit CertificateBook(List certificates = {});

  std::shared_ptr<const List> all() const;  // never null
  void replace(List certificates);

  // The safest policy that is cheap enough: among the certificates that hold now and fit the query, the lowest recall
  // that is not below the target; without one, the safe policy, uncertified, with the reason. A latency budget may go
  // past the certified policy on the same path; the answer then is not certified. Throws Error invalid_argument on a
  // target or budget out of range. REQUIRES: target_recall or max_latency_ms is set.
  DepthChoice choose(const SearchOptions& options, const DepthContext& context) const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const List> list_;
};

// `now` with `fresh` put in: an older certificate for the same question goes, and so does one whose graphs are gone.
// Fresh ones get their ids here.
CertificateBook::List merged(const CertificateBook::List& now, CertificateBook::List fresh, const ServedState& state);

}  // namespace nestor::index
