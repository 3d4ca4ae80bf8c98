#include "bench/kinds/kind_sets.h"

#include <algorithm>

#include "bench/ann/synthetic.h"
#include "bench/data_set.h"
#include "index/error.h"
#include "tests/support/data_kinds.h"

namespace nestor::bench::kinds {
namespace {

using enum index::Metric;
using enum index::Rotation;

constexpr const char* kNoisyKeys = "noisy_keys";
constexpr const char* kSynthetic = "synthetic";
constexpr std::size_t kCopiedKeys = 400, kCopies = 45;

LoadedSet generated(const std::string& kind, const SetRequest& request, std::size_t rows, std::uint32_t dim,
                    std::span<const float> bases) {
  auto data =
      tests::make_data(tests::data_kind(kind),
                       {.rows = rows, .dim = dim, .queries = request.queries, .seed = request.seed, .bases = bases});
  return {data.rows, data.queries, data.dim, std::move(data.base), std::move(data.asked), false};
}

// Nested unit vectors by formula.
LoadedSet synthetic(const SetRequest& request) {
  using ann::SyntheticGenerator;
  LoadedSet set;
  set.rows = request.rows != 0 ? request.rows : 50000;
  set.dim = request.dim != 0 ? request.dim : 768;
  set.queries = request.queries;
  const SyntheticGenerator generator({.dim = set.dim, .centres = 2000, .seed = request.seed});
  set.base = generator.make_all(SyntheticGenerator::Stream::base, set.rows, request.threads);
  set.asked = generator.make_all(SyntheticGenerator::Stream::queries, set.queries, request.threads);
  return set;
}

LoadedSet from_files(const DataSetFiles& files, const SetRequest& request) {
  Matrix keys = load_matrix(files.keys, 1, request.rows);
  Matrix queries = load_evenly(files.queries, request.queries);
  if (files.metric == cosine) drop_zero_rows(files.name, keys);
  return {keys.rows, queries.rows, keys.dim, std::move(keys.values), std::move(queries.values), keys.exact_in_float16};
}

std::vector<SetDescription> describe_sets() {
  std::vector<SetDescription> sets;
  for (const tests::DataKind& kind : tests::data_kinds())
    sets.push_back({std::string(kind.name), std::string(kind.what), true, kind.metrics, {none}});
  sets.push_back({kNoisyKeys,
                  "400 keys of knnlm-dickens (or of the sample), each as 45 noisy copies",
                  true,
                  {l2, cosine},
                  {none}});
  sets.push_back({kSynthetic, "nested unit vectors by the formula of bench/ann/synthetic.h", true, {cosine}, {none}});
  sets.push_back({"knnlm-dickens", "nested keys of a language model, 200,000 x 256", false, {l2}, {none, pca}});
  sets.push_back({"sample", "18,000 such keys, in examples/data", false, {l2}, {none}});
  sets.push_back({"mnist-784", "images, 60,000 x 784", false, {l2}, {none, pca}});
  sets.push_back({"debian-lsa", "ordinary text embeddings, 20,000 x 384", false, {cosine, l2}, {none, pca}});
  sets.push_back({"cranfield", "ordinary text embeddings, 1,400 x 256", false, {cosine}, {none, pca}});
  return sets;
}

}  // namespace

const std::vector<SetDescription>& known_sets() {
  static const std::vector<SetDescription> sets = describe_sets();
  return sets;
}

std::vector<SetDescription> choose_sets(const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (name != "all" && name != "generated" && name != "real" &&
        std::none_of(known_sets().begin(), known_sets().end(), [&](const auto& set) { return set.name == name; }))
      throw index::Error(index::ErrorCode::not_found,
                         "no set is named '" + name + "'; --list names them, and generated, real and all are groups");
  std::vector<SetDescription> chosen;
  for (const SetDescription& set : known_sets())
    if (std::any_of(names.begin(), names.end(), [&](const std::string& name) {
          return name == "all" || name == set.name || name == (set.generated ? "generated" : "real");
        }))
      chosen.push_back(set);
  return chosen;
}

std::optional<LoadedSet> load_set(const SetDescription& set, const SetRequest& request) {
  if (set.name == kSynthetic) return synthetic(request);
  if (set.name == kNoisyKeys) {
    auto files = find_data_set(request.shared, request.examples, "knnlm-dickens");
    if (!files) files = find_data_set(request.shared, request.examples, "sample");
    if (!files) return std::nullopt;
    const Matrix keys = load_evenly(files->keys, kCopiedKeys);
    const std::size_t rows = request.rows != 0 ? request.rows : kCopiedKeys * kCopies;
    return generated("noisy_copies", request, rows, keys.dim, keys.values);
  }
  if (set.generated) return generated(set.name, request, request.rows, request.dim, {});
  const auto files = find_data_set(request.shared, request.examples, set.name);
  if (!files) return std::nullopt;
  return from_files(*files, request);
}

}  // namespace nestor::bench::kinds
