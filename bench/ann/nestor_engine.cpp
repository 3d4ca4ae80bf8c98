#include "bench/ann/nestor_engine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "bench/ann/comparison_data.h"
#include "index/distance.h"

namespace nestor::bench::ann {
namespace {

constexpr const char* kCollection = "rows";
constexpr std::size_t kWriteAtOnce = 2000;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void write_ids(const std::vector<index::Hit>& hits, std::size_t k, std::int64_t* ids) {
  const std::size_t found = std::min(k, hits.size());
  for (std::size_t i = 0; i < found; ++i) ids[i] = static_cast<std::int64_t>(hits[i].id.low);
  std::fill(ids + found, ids + k, std::int64_t{-1});
}

std::string list(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (const std::uint32_t n : numbers) text += (text.empty() ? "" : ".") + std::to_string(n);
  return text;
}

// Stages over quantised rows; the others read the stored scalar type.
bool reads_codes(const index::StageReport& stage) { return stage.name == "walk" || stage.name == "rescore"; }

}  // namespace

index::CollectionOptions NestorEngine::options_for(const EngineInput& input) const {
  index::CollectionOptions options;
  options.dim = static_cast<std::uint32_t>(input.rows.dim);
  options.metric = metric_of(input.distance);
  options.scalar_type =
      setup_.scalar_type.value_or(input.exact_in_float16 ? index::ScalarType::float16 : index::ScalarType::float32);
  options.rotation = setup_.rotation.value_or(input.nested ? index::Rotation::none : index::Rotation::pca);
  options.widths = setup_.widths;
  options.graphs = setup_.graphs;
  options.graph = setup_.graph;
  options.walk_codes = setup_.walk_codes;
  options.exact_below = 1;  // small sets are here to be compared, too
  return options.validated();
}

std::string NestorEngine::cache_key(const EngineInput& input) const {
  const index::CollectionOptions options = options_for(input);
  std::string key = "nestor-w" + list(options.widths) + "-g" + list(options.graphs) + "-" +
                    std::string(index::to_string(options.scalar_type)) + "-" +
                    std::string(index::to_string(options.rotation));
  if (setup_.walk_codes != index::WalkCodes::automatic)
    key += setup_.walk_codes == index::WalkCodes::whole ? "-whole" : "-leading";
  if (!(options.graph == index::GraphParameters{}))
    key += "-M" + std::to_string(options.graph.max_links) + "-ef" + std::to_string(options.graph.candidates_at_build);
  return key;
}

std::string NestorEngine::description() const {
  const index::CollectionOptions& options = collection_->options();
  return "Nestor, widths " + list(options.widths) + ", graphs " + list(options.graphs) + " over codes, rows " +
         std::string(index::to_string(options.scalar_type)) + ", rotation " +
         std::string(index::to_string(options.rotation)) + ", M=" + std::to_string(options.graph.max_links) +
         ", efConstruction=" + std::to_string(options.graph.candidates_at_build) + ", kernels " +
         index::kernels().name + ", compiled " NESTOR_BUILD_FLAGS " without -march";
}

void NestorEngine::open_database(const std::string& path, unsigned threads) {
  storage::DatabaseOptions options;
  options.background_builds = false;  // nothing may run beside a measurement
  options.build_threads = threads;
  options.residency = setup_.residency;
  options.log = [](const std::string& line) { std::fprintf(stderr, "  %s\n", line.c_str()); };
  database_ = storage::Database::open(path, options);
  if (database_->contains(kCollection)) collection_ = database_->collection(kCollection);
}

bool NestorEngine::open(const EngineInput& input) {
  dim_ = input.rows.dim;
  rows_ = input.rows.count;
  if (!std::filesystem::exists(input.path)) return false;
  open_database(input.path, input.threads);
  return collection_ != nullptr && collection_->options() == options_for(input) && collection_->count() == rows_ &&
         collection_->info().indexed_points == rows_;
}

BuildCost NestorEngine::build(const EngineInput& input) {
  collection_.reset();
  database_.reset();
  std::filesystem::remove_all(input.path);
  std::filesystem::create_directories(input.path);
  dim_ = input.rows.dim;
  rows_ = input.rows.count;
  open_database(input.path, input.threads);
  collection_ = database_->create_collection(kCollection, options_for(input));
  BuildCost cost;
  cost.threads = input.threads;
  const auto start = std::chrono::steady_clock::now();
  std::vector<index::Point> points;
  for (std::size_t first = 0; first < rows_; first += kWriteAtOnce) {
    points.clear();
    for (std::size_t i = first; i < std::min(first + kWriteAtOnce, rows_); ++i)
      points.push_back(
          {.id = index::PointId::number(i), .vector = {input.rows.row(i), dim_}, .payload = {}, .value = {}});
    collection_->upsert(points);
    input.progress("writing rows", std::min(first + kWriteAtOnce, rows_), rows_);
  }
  cost.ingest_seconds = seconds_since(start);
  index::BuildOptions build;
  build.threads = input.threads;
  build.progress = [&](const index::BuildProgress& p) { input.progress(p.phase, p.done, p.total); };
  cost.seconds = collection_->build(build).seconds;
  return cost;
}

std::uint64_t NestorEngine::reported_bytes() const {
  const index::MemoryReport memory = collection_->info().memory;
  return memory.links + memory.codes + memory.mapped_codes + memory.rows + memory.ids + memory.tail;
}

std::string NestorEngine::bytes_by_part() const {
  const index::MemoryReport memory = collection_->info().memory;
  const auto per_row = [&](std::uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(rows_); };
  char text[160];
  std::snprintf(
      text, sizeof text,
      "links %.0f, codes %.0f, tail %.0f per row; mapped from the file: ids %.0f, codes %.0f, exact rows %.0f",
      per_row(memory.links), per_row(memory.codes), per_row(memory.tail), per_row(memory.ids),
      per_row(memory.mapped_codes), per_row(memory.rows));
  return text;
}

std::vector<Setting> NestorEngine::settings(std::size_t k) {
  policies_ = nestor_policies(setup_.grid, collection_->options(), k);
  std::vector<Setting> all;
  for (const NestorPolicy& policy : policies_) all.push_back(policy.setting);
  return all;
}

void NestorEngine::search(const float* query, std::size_t k, std::int64_t* ids) {
  write_ids(collection_->search({query, dim_}, current_).hits, k, ids);
}

void NestorEngine::search_batch(const Rows& queries, std::size_t k, unsigned threads, std::int64_t* ids) {
  const auto results =
      collection_->search_batch({queries.values, queries.count * dim_}, queries.count, current_, threads);
  for (std::size_t i = 0; i < results.size(); ++i) write_ids(results[i].hits, k, ids + i * k);
}

Work NestorEngine::count_work(const Rows& queries, std::size_t) {
  index::SearchOptions options = current_;
  options.explain = true;
  Work work{.known = true};
  for (std::size_t i = 0; i < queries.count; ++i)
    for (const index::StageReport& stage : collection_->search({queries.row(i), dim_}, options).stages) {
      const auto coordinates = static_cast<double>(stage.coordinates_read);
      work.evaluations += static_cast<double>(stage.distance_evaluations);
      work.coordinates += coordinates;
      if (reads_codes(stage))
        work.code_bytes += static_cast<double>(stage.bytes_read);
      else
        work.float_bytes += static_cast<double>(stage.bytes_read);
    }
  const auto count = static_cast<double>(queries.count);
  for (double* sum : {&work.evaluations, &work.coordinates, &work.code_bytes, &work.float_bytes}) *sum /= count;
  if (collection_->options().rotation != index::Rotation::none)
    // Only the coded coordinates of a query are rotated.
    work.query_multiply_adds = static_cast<double>(collection_->options().graphs.back()) * static_cast<double>(dim_);
  return work;
}

}  // namespace nestor::bench::ann
