#pragma once
// Policies run over a set of queries whose exact neighbours are known.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "index/calibrator.h"
#include "index/query_draw.h"

namespace nestor::index {

// What one policy did, query by query.
struct TrialRun {
  std::vector<float> losses;
  std::vector<float> costs;            // bytes of codes and rows compared, and what comparing costs beside
  std::vector<float> evaluations, coordinates;
  std::vector<WalkFeatures> features;  // zeros where the walk saw none
  PolicyFigures figures;

  double mean_cost() const;
};

// Queries of one split, in drawn order.
class PolicyTrial {
 public:
  // Queries that are rows are searched without themselves. `collection` and `request` must outlive this.
  PolicyTrial(const Collection& collection, const CalibrationRequest& request, DrawnQueries queries);

  std::size_t count() const { return count_; }
  void find_exact_neighbours(const std::function<void(std::size_t done)>& progress);
  // REQUIRES: find_exact_neighbours, as all below.
  std::vector<PointId> exact_ids(std::size_t query) const;
  TrialRun run(const SearchPolicy& policy) const;
  TrialRun run_default() const;

 private:
  SearchOptions options() const;
  TrialRun run(const SearchOptions& options) const;
  std::vector<QueryResult> search(const SearchOptions& options, std::size_t first, std::size_t last) const;
  std::vector<QueryResult> search_without_themselves(const SearchOptions& options, std::size_t first,
                                                     std::size_t last) const;

  const Collection& collection_;
  const CalibrationRequest& request_;
  std::vector<float> queries_;
  std::vector<Slot> rows_;
  std::vector<std::uint64_t> allowed_;  // every slot, or those of the request's filter; for rows alone
  std::size_t count_, dim_;
  std::vector<QueryResult> exact_;
};

}  // namespace nestor::index
