// Faiss from Debian: HNSW over float32 and over 8-bit codes, IVF with fast-scan product codes and exact refinement,
// and the flat scan. The library is Debian's build, for SSE2 only: an own build with AVX2 is two to three times
// faster, so these figures stand for "apt install", not for Faiss at its best.

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexRefine.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <faiss/utils/utils.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/ann/engine.h"

namespace {

using namespace nestor::bench::ann;

constexpr std::size_t kMaxLinks = 16;            // M
constexpr std::size_t kCandidatesAtBuild = 200;  // efConstruction

std::string version() {
  return "Faiss " + std::to_string(FAISS_VERSION_MAJOR) + "." + std::to_string(FAISS_VERSION_MINOR) + "." +
         std::to_string(FAISS_VERSION_PATCH) + " (Debian, compiled for SSE2 only)";
}

// What the kinds share: one faiss::Index, kept in one file.
class FaissEngine : public Engine {
 public:
  explicit FaissEngine(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return name_; }

  bool open(const EngineInput& input) override {
    if (!keeps_file() || !std::filesystem::exists(input.path)) return false;
    remember(input);
    index_.reset(faiss::read_index(input.path.c_str()));
    return index_->ntotal == static_cast<faiss::Index::idx_t>(input.rows.count) && adopt();
  }

  BuildCost build(const EngineInput& input) override {
    remember(input);
    omp_set_num_threads(static_cast<int>(input.threads));
    const auto start = std::chrono::steady_clock::now();
    index_ = make();
    input.progress("training", 0, input.rows.count);
    index_->train(static_cast<faiss::Index::idx_t>(input.rows.count), input.rows.values);
    // In slices, so that progress can be told; within one Faiss uses all its threads.
    const std::size_t slice = std::max<std::size_t>(1000, input.rows.count / 50);
    for (std::size_t first = 0; first < input.rows.count; first += slice) {
      const std::size_t n = std::min(slice, input.rows.count - first);
      index_->add(static_cast<faiss::Index::idx_t>(n), input.rows.row(first));
      input.progress("adding rows", first + n, input.rows.count);
    }
    BuildCost cost;
    cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    cost.threads = input.threads;
    omp_set_num_threads(1);
    if (keeps_file()) faiss::write_index(index_.get(), input.path.c_str());
    adopt();
    return cost;
  }

  void search(const float* query, std::size_t k, std::int64_t* ids) override {
    if (distances_.size() < k) distances_.resize(k);
    index_->search(1, query, static_cast<faiss::Index::idx_t>(k), distances_.data(), ids);
  }

  void search_batch(const Rows& queries, std::size_t k, unsigned threads, std::int64_t* ids) override {
    std::vector<float> distances(queries.count * k);
    omp_set_num_threads(static_cast<int>(threads));
    index_->search(static_cast<faiss::Index::idx_t>(queries.count), queries.values, static_cast<faiss::Index::idx_t>(k),
                   distances.data(), ids);
    omp_set_num_threads(1);
  }

 protected:
  virtual std::unique_ptr<faiss::Index> make() const = 0;
  virtual bool adopt() { return true; }             // takes typed pointers into index_
  virtual bool keeps_file() const { return true; }  // false: building takes no longer than reading

  faiss::MetricType metric() const {
    return distance_ == Distance::euclidean ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
  }
  void remember(const EngineInput& input) {
    rows_ = input.rows.count;
    dim_ = input.rows.dim;
    distance_ = input.distance;
  }
  double per_query(double total, const Rows& queries) const { return total / static_cast<double>(queries.count); }
  void run_all(const Rows& queries, std::size_t k) {
    std::vector<std::int64_t> ids(k);
    for (std::size_t i = 0; i < queries.count; ++i) search(queries.row(i), k, ids.data());
  }

  std::size_t rows_ = 0, dim_ = 0;
  Distance distance_ = Distance::euclidean;
  std::unique_ptr<faiss::Index> index_;

 private:
  std::string name_;
  std::vector<float> distances_;
};

class HnswEngine : public FaissEngine {
 public:
  HnswEngine(std::string name, bool codes) : FaissEngine(std::move(name)), codes_(codes) {}

  std::string description() const override {
    return version() + (codes_ ? " HNSWSQ, 8-bit scalar quantiser" : " HNSWFlat, float32") +
           ", M=16, efConstruction=200";
  }
  std::uint64_t reported_bytes() const override {
    const faiss::HNSW& graph = hnsw_->hnsw;
    return graph.neighbors.size() * sizeof(graph.neighbors[0]) + graph.offsets.size() * sizeof(graph.offsets[0]) +
           graph.levels.size() * sizeof(graph.levels[0]) + rows_ * row_bytes();
  }
  std::vector<Setting> settings(std::size_t k) override {
    pools_.clear();
    for (const int ef : {10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 480, 700})
      if (k <= 16 || static_cast<std::size_t>(ef) >= k) pools_.push_back(ef);
    for (const double factor : {1.0, 1.25, 1.5, 2.0, 3.0})
      if (k > 16) pools_.push_back(static_cast<int>(factor * static_cast<double>(k)));
    std::sort(pools_.begin(), pools_.end());
    pools_.erase(std::unique(pools_.begin(), pools_.end()), pools_.end());
    std::vector<Setting> all;
    for (const int ef : pools_) all.push_back({"ef " + std::to_string(ef)});
    return all;
  }
  void use(std::size_t setting) override {
    omp_set_num_threads(1);
    hnsw_->hnsw.efSearch = pools_.at(setting);
  }
  Work count_work(const Rows& queries, std::size_t k) override {
    faiss::hnsw_stats.reset();
    run_all(queries, k);
    Work work{.known = true};
    // This version adds the distances of the bottom level to n3 and leaves ndis at zero.
    work.evaluations = per_query(static_cast<double>(std::max(faiss::hnsw_stats.n3, faiss::hnsw_stats.ndis)), queries);
    work.coordinates = work.evaluations * static_cast<double>(dim_);
    (codes_ ? work.code_bytes : work.float_bytes) = work.evaluations * static_cast<double>(row_bytes());
    return work;
  }

 private:
  std::unique_ptr<faiss::Index> make() const override {
    std::unique_ptr<faiss::IndexHNSW> index;
    const auto dim = static_cast<int>(dim_);
    if (codes_)
      index = std::make_unique<faiss::IndexHNSWSQ>(dim, faiss::ScalarQuantizer::QT_8bit, kMaxLinks, metric());
    else
      index = std::make_unique<faiss::IndexHNSWFlat>(dim, kMaxLinks, metric());
    index->hnsw.efConstruction = kCandidatesAtBuild;
    return index;
  }
  bool adopt() override { return (hnsw_ = dynamic_cast<faiss::IndexHNSW*>(index_.get())) != nullptr; }
  std::size_t row_bytes() const { return codes_ ? dim_ : dim_ * sizeof(float); }

  bool codes_;
  faiss::IndexHNSW* hnsw_ = nullptr;
  std::vector<int> pools_;
};

// Inverted lists of 4-bit product codes scanned with look-up tables in registers; the best are ranked exactly.
class IvfPqEngine : public FaissEngine {
 public:
  using FaissEngine::FaissEngine;

  std::string description() const override {
    return version() + " " + factory() + ", k_factor and nprobe searched over";
  }
  std::uint64_t reported_bytes() const override {
    return rows_ * (code_bytes() + sizeof(std::int64_t) + dim_ * sizeof(float)) + lists() * dim_ * sizeof(float);
  }
  std::vector<Setting> settings(std::size_t k) override {
    grid_.clear();
    std::vector<Setting> all;
    const std::vector<int> factors = k <= 16 ? std::vector<int>{4, 10, 30} : std::vector<int>{2, 4};
    for (const int factor : factors)
      for (std::size_t probes : {4, 8, 16, 32, 64, 128, 256})
        if (probes <= lists()) {
          grid_.push_back({probes, static_cast<float>(factor)});
          all.push_back({"nprobe " + std::to_string(probes) + ", k_factor " + std::to_string(factor)});
        }
    return all;
  }
  void use(std::size_t setting) override {
    omp_set_num_threads(1);
    ivf_->nprobe = grid_.at(setting).probes;
    refine_->k_factor = factor_ = grid_.at(setting).factor;
  }
  Work count_work(const Rows& queries, std::size_t k) override {
    faiss::indexIVF_stats.reset();
    run_all(queries, k);
    const double scanned = per_query(static_cast<double>(faiss::indexIVF_stats.ndis), queries);
    const double refined = std::min(static_cast<double>(factor_) * static_cast<double>(k), scanned);
    const double exact = static_cast<double>(lists()) + refined;  // coarse centroids, then the refined rows
    const auto dim = static_cast<double>(dim_);
    Work work{.known = scanned > 0};
    work.evaluations = scanned + exact;
    work.coordinates = scanned * static_cast<double>(pieces()) + exact * dim;
    work.code_bytes = scanned * static_cast<double>(code_bytes());
    work.float_bytes = exact * dim * sizeof(float);
    work.query_multiply_adds = 16 * dim * (metric() == faiss::METRIC_L2 ? static_cast<double>(ivf_->nprobe) : 1.0);
    return work;
  }

 private:
  struct Point {
    std::size_t probes;
    float factor;
  };

  // About 4 sqrt(N) lists, as the library's guidelines have it, and two coordinates a code: coarser codes never
  // reach recall 0.95 on our sets.
  std::size_t lists() const {
    std::size_t n = 64;
    while (static_cast<double>(n) * 1.5 < 4 * std::sqrt(static_cast<double>(rows_))) n *= 2;
    return n;
  }
  std::size_t pieces() const { return dim_ % 2 == 0 ? dim_ / 2 : dim_; }
  std::size_t code_bytes() const { return (pieces() + 1) / 2; }
  std::string factory() const {
    return "IVF" + std::to_string(lists()) + ",PQ" + std::to_string(pieces()) + "x4fs,RFlat";
  }
  std::unique_ptr<faiss::Index> make() const override {
    return std::unique_ptr<faiss::Index>(faiss::index_factory(static_cast<int>(dim_), factory().c_str(), metric()));
  }
  bool adopt() override {
    refine_ = dynamic_cast<faiss::IndexRefine*>(index_.get());
    ivf_ = refine_ == nullptr ? nullptr : dynamic_cast<faiss::IndexIVF*>(refine_->base_index);
    return ivf_ != nullptr;
  }

  faiss::IndexRefine* refine_ = nullptr;
  faiss::IndexIVF* ivf_ = nullptr;
  std::vector<Point> grid_;
  float factor_ = 1;
};

class FlatEngine : public FaissEngine {
 public:
  using FaissEngine::FaissEngine;
  std::string description() const override { return version() + " Flat, exact"; }
  std::uint64_t reported_bytes() const override { return rows_ * dim_ * sizeof(float); }
  std::vector<Setting> settings(std::size_t) override { return {{"all rows"}}; }
  void use(std::size_t) override { omp_set_num_threads(1); }
  Work count_work(const Rows&, std::size_t) override {
    Work work{.known = true};
    work.evaluations = static_cast<double>(rows_);
    work.coordinates = work.evaluations * static_cast<double>(dim_);
    work.float_bytes = work.coordinates * sizeof(float);
    return work;
  }

 private:
  std::unique_ptr<faiss::Index> make() const override {
    return std::make_unique<faiss::IndexFlat>(static_cast<faiss::Index::idx_t>(dim_), metric());
  }
  bool keeps_file() const override { return false; }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* const* nestor_bench_list_engines() {
  static const char* const names[] = {"faiss-hnsw", "faiss-hnsw-sq8", "faiss-ivfpq", "faiss-flat", nullptr};
  return names;
}

extern "C" __attribute__((visibility("default"))) Engine* nestor_bench_make_engine(const char* name) {
  const std::string wanted = name;
  if (wanted == "faiss-hnsw") return new HnswEngine(wanted, false);
  if (wanted == "faiss-hnsw-sq8") return new HnswEngine(wanted, true);
  if (wanted == "faiss-ivfpq") return new IvfPqEngine(wanted);
  if (wanted == "faiss-flat") return new FlatEngine(wanted);
  return nullptr;
}
