// hnswlib from Debian over full-width float32: the peer every ratio is taken against. A module of its own, because
// the header defines non-inline functions and Nestor's index library already contains a copy of them. Compiled
// with -O3 -march=native, as its users are told to.

#include <hnswlib/hnswlib.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "bench/ann/engine.h"
#include "bench/ann/parallel_queries.h"

namespace {

using namespace nestor::bench::ann;

constexpr std::size_t kMaxLinks = 16;            // M
constexpr std::size_t kCandidatesAtBuild = 200;  // efConstruction

// Counts calls on their way to hnswlib's own distance; only in place during the untimed pass.
struct CountingDistance {
  hnswlib::DISTFUNC<float> function;
  void* parameter;
  std::uint64_t calls = 0;

  static float call(const void* a, const void* b, const void* self) {
    auto* counter = static_cast<CountingDistance*>(const_cast<void*>(self));
    ++counter->calls;
    return counter->function(a, b, counter->parameter);
  }
};

class HnswlibEngine : public Engine {
 public:
  std::string name() const override { return "hnswlib"; }

  std::string description() const override {
    std::string text =
        "hnswlib " NESTOR_HNSWLIB_VERSION ", float32, M=16, efConstruction=200, compiled " NESTOR_PEER_FLAGS;
#if defined(USE_AVX512)
    text += " (AVX-512 distances where the dimension allows)";
#elif defined(USE_AVX)
    text += " (AVX distances)";
#else
    text += " (SSE or scalar distances)";
#endif
    return text;
  }

  bool open(const EngineInput& input) override {
    if (!std::filesystem::exists(input.path)) return false;
    make_space(input);
    graph_ = std::make_unique<Graph>(space_.get(), input.path);
    return graph_->cur_element_count == input.rows.count;
  }

  BuildCost build(const EngineInput& input) override {
    make_space(input);
    const Clock start;
    graph_ = std::make_unique<Graph>(space_.get(), input.rows.count, kMaxLinks, kCandidatesAtBuild, kSeed);
    graph_->addPoint(input.rows.row(0), 0);  // alone: the first point sets the entry
    std::atomic<std::size_t> done{1};
    std::mutex progress_mutex;
    parallel_queries(input.rows.count - 1, input.threads, [&](std::size_t i) {
      graph_->addPoint(input.rows.row(i + 1), i + 1);
      const std::size_t now = done.fetch_add(1) + 1;
      if (now % 1000 != 0 && now != input.rows.count) return;
      const std::lock_guard lock(progress_mutex);
      input.progress("adding rows", now, input.rows.count);
    });
    const BuildCost cost{.seconds = start.seconds(), .ingest_seconds = 0, .threads = input.threads};
    graph_->saveIndex(input.path);
    return cost;
  }

  std::uint64_t reported_bytes() const override {
    // Level 0 holds the vector, its links and its label; upper levels hang off it one by one.
    std::uint64_t bytes = graph_->cur_element_count * graph_->size_data_per_element_;
    for (std::size_t i = 0; i < graph_->cur_element_count; ++i)
      bytes += static_cast<std::uint64_t>(graph_->element_levels_[i]) * graph_->size_links_per_element_;
    return bytes;
  }
  std::string bytes_by_part() const override {
    const double rows = static_cast<double>(graph_->cur_element_count);
    const double vectors = static_cast<double>(dim_) * sizeof(float);
    char text[160];
    std::snprintf(text, sizeof text, "vector %.0f, links and label %.0f per row; locks and the label map come on top",
                  vectors, static_cast<double>(reported_bytes()) / rows - vectors);
    return text;
  }

  std::vector<Setting> settings(std::size_t k) override {
    pools_.clear();
    if (k <= 16)
      pools_ = {10, 12, 14, 16, 20, 25, 30, 40, 50, 60, 80, 100, 120, 160, 200, 260, 340, 440, 600, 800};
    else
      for (const double factor : {1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0})
        pools_.push_back(static_cast<std::size_t>(factor * static_cast<double>(k)));
    std::erase_if(pools_, [&](std::size_t ef) { return ef < k; });  // it would silently search with ef = k
    std::vector<Setting> all;
    for (const std::size_t ef : pools_) all.push_back({"ef " + std::to_string(ef)});
    return all;
  }
  void use(std::size_t setting) override { graph_->setEf(pools_.at(setting)); }

  void search(const float* query, std::size_t k, std::int64_t* ids) override {
    auto found = graph_->searchKnn(query, k);
    std::fill(ids, ids + k, std::int64_t{-1});
    for (std::size_t i = found.size(); i-- > 0; found.pop()) ids[i] = static_cast<std::int64_t>(found.top().second);
  }
  void search_batch(const Rows& queries, std::size_t k, unsigned threads, std::int64_t* ids) override {
    parallel_queries(queries.count, threads, [&](std::size_t i) { search(queries.row(i), k, ids + i * k); });
  }

  Work count_work(const Rows& queries, std::size_t k) override {
    CountingDistance counter{graph_->fstdistfunc_, graph_->dist_func_param_};
    graph_->fstdistfunc_ = CountingDistance::call;
    graph_->dist_func_param_ = &counter;
    std::vector<std::int64_t> ids(k);
    for (std::size_t i = 0; i < queries.count; ++i) search(queries.row(i), k, ids.data());
    graph_->fstdistfunc_ = counter.function;
    graph_->dist_func_param_ = counter.parameter;
    Work work{.known = true};
    work.evaluations = static_cast<double>(counter.calls) / static_cast<double>(queries.count);
    work.coordinates = work.evaluations * static_cast<double>(dim_);
    work.float_bytes = work.coordinates * sizeof(float);
    return work;
  }

 private:
  using Graph = hnswlib::HierarchicalNSW<float>;
  static constexpr std::size_t kSeed = 100;  // the library's default

  struct Clock {
    std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }
  };

  void make_space(const EngineInput& input) {
    dim_ = input.rows.dim;
    if (input.distance == Distance::euclidean)
      space_ = std::make_unique<hnswlib::L2Space>(dim_);
    else
      space_ = std::make_unique<hnswlib::InnerProductSpace>(dim_);
  }

  std::size_t dim_ = 0;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<Graph> graph_;
  std::vector<std::size_t> pools_;  // ef of each setting
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* const* nestor_bench_list_engines() {
  static const char* const names[] = {"hnswlib", nullptr};
  return names;
}

extern "C" __attribute__((visibility("default"))) Engine* nestor_bench_make_engine(const char* name) {
  return std::string(name) == "hnswlib" ? new HnswlibEngine : nullptr;
}
