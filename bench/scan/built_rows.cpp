#include "bench/scan/built_rows.h"

namespace nestor::bench::scan {

index::CollectionOptions options_for(const ann::ComparisonData& data, bool graph) {
  index::CollectionOptions options;
  options.dim = static_cast<std::uint32_t>(data.dim);
  options.metric = ann::metric_of(data.distance);
  options.scalar_type = data.exact_in_float16 ? index::ScalarType::float16 : index::ScalarType::float32;
  options.rotation = data.nested ? index::Rotation::none : index::Rotation::pca;
  options.exact_below = 1;
  if (!graph) {
    options.graph.max_links = 2;
    options.graph.candidates_at_build = 4;
  }
  return options.validated();
}

BuiltRows::BuiltRows(const ann::ComparisonData& data, const index::CollectionOptions& wanted, unsigned threads)
    : options(wanted) {
  std::vector<float> rows(data.rows * data.dim);
  index::WriteOperation operation;
  operation.sequence = 1;
  operation.next_slot = static_cast<index::Slot>(data.rows);
  for (std::size_t r = 0; r < data.rows; ++r) {
    float* row = rows.data() + r * data.dim;
    index::prepare_vector(options, {data.base.data() + r * data.dim, data.dim}, row);
    operation.upserts.push_back(
        {index::PointId::number(r), static_cast<index::Slot>(r), index::kNoSlot, {row, data.dim}, {}, {}});
  }
  records->write(operation);
  built =
      index::build_generation(*records, options, nullptr, {.threads = threads, .deterministic = false, .progress = {}});
  generation = index::Generation::open(built->loaded(), options);
}

std::vector<index::PreparedQuery> BuiltRows::prepare(std::span<const float> queries, std::size_t count) const {
  std::vector<index::PreparedQuery> out;
  for (std::size_t q = 0; q < count; ++q)
    out.push_back(index::prepare_query(options, *generation, queries.subspan(q * options.dim, options.dim), {}));
  return out;
}

}  // namespace nestor::bench::scan
