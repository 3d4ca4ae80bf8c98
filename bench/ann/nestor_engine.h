#pragma once
// Nestor as a user embeds it: a Database on disk, a Collection, Collection::search.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/ann/engine.h"
#include "bench/ann/nestor_grid.h"
#include "storage/database.h"

namespace nestor::bench::ann {

struct NestorSetup {
  std::vector<std::uint32_t> widths, graphs;     // empty: what a collection gets by default
  index::Residency residency = index::Residency::all_codes;
  std::optional<index::ScalarType> scalar_type;  // none: float16 where the data is exact in it, else float32
  std::optional<index::Rotation> rotation;       // none: pca for data that is not nested
  index::WalkCodes walk_codes = index::WalkCodes::automatic;
  index::GraphParameters graph;
  NestorGrid grid;
};

class NestorEngine : public Engine {
 public:
  explicit NestorEngine(NestorSetup setup) : setup_(std::move(setup)) {}

  std::string name() const override { return "nestor"; }
  std::string description() const override;
  bool open(const EngineInput& input) override;
  BuildCost build(const EngineInput& input) override;
  std::uint64_t reported_bytes() const override;
  std::string bytes_by_part() const override;
  std::vector<Setting> settings(std::size_t k) override;
  void use(std::size_t setting) override { current_ = policies_.at(setting).options; }
  void search(const float* query, std::size_t k, std::int64_t* ids) override;
  void search_batch(const Rows& queries, std::size_t k, unsigned threads, std::int64_t* ids) override;
  Work count_work(const Rows& queries, std::size_t k) override;

  // Distinguishes the caches of collections made in different ways.
  std::string cache_key(const EngineInput& input) const;

 private:
  index::CollectionOptions options_for(const EngineInput& input) const;
  void open_database(const std::string& path, unsigned threads);

  NestorSetup setup_;
  std::unique_ptr<storage::Database> database_;
  std::shared_ptr<index::Collection> collection_;
  std::size_t dim_ = 0, rows_ = 0;
  std::vector<NestorPolicy> policies_;
  index::SearchOptions current_;
};

}  // namespace nestor::bench::ann
