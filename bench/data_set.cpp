#include "bench/data_set.h"

#include <algorithm>
#include <cstdio>

#include "index/error.h"
#include "storage/import/row_layout.h"
#include "storage/import/value_source.h"
#include "storage/import/vector_source.h"

namespace nestor::bench {
namespace {

constexpr std::size_t kReadAtOnce = 4096;

DataSetFiles dickens(const std::filesystem::path& folder) {
  return {.name = "dickens",
          .keys = folder / "datastore_keys.npy",
          .queries = folder / "query_keys.npy",
          .neighbours = folder / "gt_l2_top100_ids.npy",
          .distances = folder / "gt_l2_top100_sqdist.npy",
          .values = folder / "datastore_values.npy",
          .targets = folder / "query_targets.npy",
          .lm_logprob = folder / "query_lm_logprob.npy",
          .widths = {16, 32, 64, 128, 256},
          .graphs = {64, 128, 256},
          .rotations = {index::Rotation::none, index::Rotation::pca},
          .query_step = 10};
}

DataSetFiles sample(const std::filesystem::path& folder) {
  return {.name = "sample",
          .keys = folder / "keys.npy",
          .queries = folder / "queries.npy",
          .neighbours = folder / "neighbours_l2_ids.npy",
          .distances = folder / "neighbours_l2_sqdist.npy",
          .values = folder / "values.npy",
          .targets = folder / "query_targets.npy",
          .lm_logprob = folder / "query_lm_logprob.npy",
          .widths = {16, 32, 64, 128, 256},
          .graphs = {64, 128, 256},
          .rotations = {index::Rotation::none, index::Rotation::pca},
          .query_step = 1};
}

DataSetFiles mnist(const std::filesystem::path& folder) {
  return {.name = "mnist",
          .keys = folder / "base_u8.npy",
          .queries = folder / "query_u8.npy",
          .neighbours = folder / "gt_l2_top100_ids.npy",
          .distances = folder / "gt_l2_top100_sqdist.npy",
          .values = {},
          .targets = {},
          .lm_logprob = {},
          .widths = {16, 32, 64, 128, 256, 784},
          .graphs = {64, 128, 256},
          .rotations = {index::Rotation::pca},
          .query_step = 1};  // its neighbours are those of the first 1,000 queries
}

// Ordinary embeddings, by latent semantic analysis; their shipped neighbours are by cosine and stay unread.
DataSetFiles debian_lsa(const std::filesystem::path& folder) {
  return {.name = "debian-lsa",
          .keys = folder / "base.npy",
          .queries = folder / "query.npy",
          .neighbours = {},
          .distances = {},
          .values = {},
          .targets = {},
          .lm_logprob = {},
          .widths = {},
          .graphs = {},
          .rotations = {index::Rotation::none, index::Rotation::pca},
          .metric = index::Metric::cosine};
}

DataSetFiles cranfield(const std::filesystem::path& folder) {
  DataSetFiles files = debian_lsa(folder);
  files.name = "cranfield";
  files.keys = folder / "lsa_docs.npy";
  files.queries = folder / "lsa_queries.npy";
  return files;
}

struct Distances {
  std::size_t depth = 0;
  std::vector<double> values;  // [queries x depth]
};

// Floats, or integers where the rows are integers and their distances exact.
Distances load_distances(const std::filesystem::path& file) {
  storage::InputFile input(file.string());
  const storage::RowLayout layout = storage::read_layout(input);
  Distances distances;
  distances.depth = layout.columns;
  if (storage::is_integer(layout.kind)) {
    const std::vector<std::int64_t> values = load_integers(file);
    distances.values.assign(values.begin(), values.end());
  } else {
    const Matrix values = load_matrix(file);
    distances.values.assign(values.values.begin(), values.values.end());
  }
  return distances;
}

}  // namespace

std::optional<DataSetFiles> find_data_set(const std::filesystem::path& shared, const std::filesystem::path& examples,
                                          const std::string& folder) {
  const std::filesystem::path place = folder == "sample" ? examples : shared / "data" / folder;
  std::optional<DataSetFiles> files;
  if (folder == "knnlm-dickens") files = dickens(place);
  if (folder == "mnist-784") files = mnist(place);
  if (folder == "debian-lsa") files = debian_lsa(place);
  if (folder == "cranfield") files = cranfield(place);
  if (folder == "sample" && !examples.empty()) files = sample(place);
  return files && std::filesystem::exists(files->keys) ? files : std::nullopt;
}

std::vector<DataSetFiles> find_data_sets(const Arguments& arguments) {
  std::vector<DataSetFiles> sets;
  const auto add = [&](const std::string& folder) {
    if (auto files = find_data_set(arguments.shared, arguments.examples, folder)) sets.push_back(*std::move(files));
  };
  add("knnlm-dickens");
  add("mnist-784");
  const bool wants_sample = arguments.only == "sample" || sets.empty() || sets.front().name != "dickens";
  if (wants_sample) add("sample");
  if (!arguments.only.empty()) std::erase_if(sets, [&](const DataSetFiles& set) { return set.name != arguments.only; });
  if (sets.empty())
    throw index::Error(index::ErrorCode::not_found,
                       "no data set" + (arguments.only.empty() ? "" : " named " + arguments.only) + " in " +
                           (arguments.shared / "data").string() + " or " + arguments.examples.string());
  return sets;
}

Matrix load_matrix(const std::filesystem::path& file, std::size_t step, std::size_t limit) {
  const auto source = storage::open_vector_source(file.string());
  Matrix matrix;
  matrix.dim = source->dim();
  matrix.exact_in_float16 = storage::fits_float16(source->kind());
  std::vector<float> block;
  std::size_t position = 0;
  while (const std::size_t count = source->read_rows(kReadAtOnce, block)) {
    for (std::size_t i = 0; i < count; ++i, ++position) {
      if (position % step != 0 || (limit != 0 && matrix.rows == limit)) continue;
      matrix.values.insert(matrix.values.end(), block.begin() + i * matrix.dim, block.begin() + (i + 1) * matrix.dim);
      ++matrix.rows;
    }
  }
  return matrix;
}

Matrix load_evenly(const std::filesystem::path& file, std::size_t wanted) {
  Matrix all = load_matrix(file);
  if (all.rows <= wanted) return all;
  for (std::size_t i = 0; i < wanted; ++i) {
    const auto from = all.values.begin() + static_cast<std::ptrdiff_t>(i * all.rows / wanted * all.dim);
    std::copy(from, from + all.dim, all.values.begin() + static_cast<std::ptrdiff_t>(i * all.dim));
  }
  all.rows = wanted;
  all.values.resize(all.rows * all.dim);
  return all;
}

void drop_zero_rows(const std::string& name, Matrix& matrix) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < matrix.rows; ++i) {
    const auto row = matrix.row(i);
    if (std::all_of(row.begin(), row.end(), [](float v) { return v == 0; })) continue;
    if (kept != i)
      std::copy(row.begin(), row.end(), matrix.values.begin() + static_cast<std::ptrdiff_t>(kept * matrix.dim));
    ++kept;
  }
  if (kept == matrix.rows) return;
  std::fprintf(stderr, "%s: %zu rows of zeros left out\n", name.c_str(), matrix.rows - kept);
  matrix.rows = kept;
  matrix.values.resize(kept * matrix.dim);
}

std::vector<float> load_floats(const std::filesystem::path& file) {
  storage::InputFile input(file.string());
  const storage::RowLayout layout = storage::read_layout(input);
  if (layout.kind != storage::ScalarKind::float32 || layout.columns != 1)
    throw index::Error(index::ErrorCode::invalid_argument, file.string() + ": a list of float32 is needed");
  storage::RowReader reader(std::move(input), layout);
  std::vector<float> values(layout.rows);
  storage::decode_floats(layout.kind, reader.read(layout.rows), values);
  return values;
}

std::vector<std::int64_t> load_integers(const std::filesystem::path& file) {
  const auto source = storage::open_value_source(file.string());
  std::vector<std::int64_t> values, block;
  while (source->read_rows(kReadAtOnce, block) != 0) values.insert(values.end(), block.begin(), block.end());
  return values;
}

GroundTruth load_ground_truth(const DataSetFiles& files, std::size_t step, std::size_t limit) {
  const std::vector<std::int64_t> ids = load_integers(files.neighbours);
  const auto [depth, distances] = load_distances(files.distances);
  if (depth == 0 || ids.size() != distances.size())
    throw index::Error(index::ErrorCode::invalid_argument,
                       files.distances.string() + " and " + files.neighbours.string() + " differ in shape");
  GroundTruth truth;
  truth.depth = depth;
  for (std::size_t at = 0; at < ids.size() && (limit == 0 || truth.queries < limit); at += step * depth) {
    truth.ids.insert(truth.ids.end(), ids.begin() + at, ids.begin() + at + depth);
    truth.distances.insert(truth.distances.end(), distances.begin() + at, distances.begin() + at + depth);
    ++truth.queries;
  }
  return truth;
}

}  // namespace nestor::bench
