#include <cmath>
#include <optional>

#include "client/python/bindings/arrays.h"
#include "index/error.h"
#include "storage/datastore.h"

namespace nestor::python {
namespace {

using index::Error;
using index::ErrorCode;
using storage::Datastore;
using storage::DatastoreQuery;

// Takes what is not a plain search option out of the keywords.
DatastoreQuery query_of(py::dict options, unsigned threads) {
  DatastoreQuery query;
  query.options.search.k = 1024;
  query.threads = threads;
  const auto pop = [&](const char* name) { return options.attr("pop")(name, py::none()).cast<py::object>(); };
  if (const auto v = pop("temperature"); !v.is_none()) query.options.temperature = v.cast<double>();
  if (const auto v = pop("top"); !v.is_none()) query.options.top = v.cast<std::uint32_t>();
  if (const auto v = pop("eta"); !v.is_none()) query.options.eta = v.cast<double>();
  if (const auto v = pop("weights"); !v.is_none()) query.weights = v.cast<bool>();
  if (const auto v = pop("weight_mode"); !v.is_none()) {
    const auto mode = v.cast<std::string>();
    if (mode != "after_temperature" && mode != "compatible")
      throw Error(ErrorCode::invalid_argument,
                  "unknown weight_mode \"" + mode + "\", expected one of: after_temperature, compatible");
    query.options.weight_mode =
        mode == "compatible" ? index::WeightMode::compatible : index::WeightMode::after_temperature;
  }
  if (const auto v = pop("exclude_doc_id"); !v.is_none())
    for (const std::uint64_t document : span_of(v.cast<Array<std::uint64_t>>()))  // kNoDocument: none
      query.exclude_documents.push_back(document);
  if (const auto v = pop("entry_ids"); !v.is_none()) query.entry_ids = point_ids(v.cast<Array<std::uint64_t>>());
  if (!options.contains("k")) options["k"] = query.options.search.k;
  query.options.search = search_options(options);
  return query;
}

std::uint64_t append(Datastore& store, const Array<float>& keys, const std::optional<Array<std::uint32_t>>& values,
                     const std::optional<Array<float>>& weights, const std::optional<Array<std::uint64_t>>& documents) {
  if (keys.ndim() != 2 || keys.shape(1) != static_cast<py::ssize_t>(store.collection().options().dim))
    throw Error(ErrorCode::invalid_argument,
                "keys are an array [count x " + std::to_string(store.collection().options().dim) + "]");
  storage::DatastoreRows rows;
  rows.keys = span_of(keys);
  if (values) rows.values = span_of(*values);
  if (weights) rows.weights = span_of(*weights);
  if (documents) rows.documents = span_of(*documents);
  const py::gil_scoped_release released;
  return store.append(rows);
}

// Compressed sparse rows of log-probabilities, best first, and what each query took.
py::dict lookup(Datastore& store, const Array<float>& queries_in, const py::dict& options, unsigned threads) {
  const Queries queries(queries_in);
  const DatastoreQuery query = query_of(options.attr("copy")(), threads);
  std::vector<std::int64_t> starts{0};
  std::vector<std::uint32_t> tokens, neighbours, searched;
  std::vector<float> log_probabilities, bounds;
  {
    const py::gil_scoped_release released;
    for (const index::LookupResult& one : store.lookup(queries.values, queries.count, query)) {
      for (const index::TokenProbability& token : one.tokens) {
        tokens.push_back(token.token);
        log_probabilities.push_back(token.probability > 0 ? static_cast<float>(std::log(token.probability))
                                                          : static_cast<float>(index::kAbsentLogProbability));
      }
      starts.push_back(static_cast<std::int64_t>(tokens.size()));
      neighbours.push_back(one.neighbours);
      searched.push_back(one.searched);
      bounds.push_back(static_cast<float>(one.total_variation_bound));
    }
  }
  py::dict out;
  out["indptr"] = take(std::move(starts));
  out["tokens"] = take(std::move(tokens));
  out["log_probabilities"] = take(std::move(log_probabilities));
  out["neighbours"] = take(std::move(neighbours));
  out["searched"] = take(std::move(searched));
  out["bounds"] = take(std::move(bounds));
  return out;
}

py::dict score(Datastore& store, const Array<float>& queries_in, const Array<std::uint32_t>& targets,
               const Array<float>& lm, const Array<float>& lambdas, const py::dict& options, unsigned threads) {
  const Queries queries(queries_in);
  const DatastoreQuery query = query_of(options.attr("copy")(), threads);
  std::vector<float> mixed, knn, bounds;
  std::vector<std::uint32_t> neighbours, searched;
  {
    const py::gil_scoped_release released;
    const index::ScoreTargets wanted{span_of(targets), span_of(lm), span_of(lambdas)};
    for (const index::TokenScore& one : store.score(queries.values, queries.count, wanted, query)) {
      mixed.push_back(static_cast<float>(one.log_probability));
      knn.push_back(static_cast<float>(one.knn_log_probability));
      neighbours.push_back(one.neighbours);
      searched.push_back(one.searched);
      bounds.push_back(static_cast<float>(one.total_variation_bound));
    }
  }
  py::dict out;
  out["log_probabilities"] = take(std::move(mixed));
  out["knn_log_probabilities"] = take(std::move(knn));
  out["neighbours"] = take(std::move(neighbours));
  out["searched"] = take(std::move(searched));
  out["bounds"] = take(std::move(bounds));
  return out;
}

py::tuple search(Datastore& store, const Array<float>& queries_in, const py::dict& options, unsigned threads) {
  const Queries queries(queries_in);
  const DatastoreQuery query = query_of(options.attr("copy")(), threads);
  std::vector<index::QueryResult> results;
  {
    const py::gil_scoped_release released;
    results = store.search(queries.values, queries.count, query);
  }
  return distances_and_ids(results, query.options.search.k, store.collection().options().metric);
}

py::tuple self_join(Datastore& store, std::uint64_t first, std::uint64_t last, const py::dict& options,
                    bool exclude_same_document, unsigned threads) {
  const DatastoreQuery query = query_of(options.attr("copy")(), threads);
  std::vector<index::QueryResult> results;
  {
    const py::gil_scoped_release released;
    results = store.self_join(first, last, query, exclude_same_document);
  }
  return distances_and_ids(results, query.options.search.k, store.collection().options().metric);
}

// One query and its ids [n], or as many queries as rows of ids [count x n].
py::array_t<float> distances(Datastore& store, const Array<float>& queries_in, const Array<std::uint64_t>& ids) {
  const Queries queries(queries_in);
  const std::vector<index::PointId> wanted = point_ids(ids);
  std::vector<float> out;
  {
    const py::gil_scoped_release released;
    out = store.distances(queries.values, queries.count, wanted);
  }
  const index::Metric metric = store.collection().options().metric;
  for (float& d : out) d = shown_distance(metric, d);
  return take(std::move(out), {ids.shape(), ids.shape() + ids.ndim()});
}

py::array_t<float> get_vectors(Datastore& store, const Array<std::uint64_t>& ids) {
  const std::vector<index::PointId> wanted = point_ids(ids);
  std::vector<float> vectors;
  {
    const py::gil_scoped_release released;
    vectors = store.get_vectors(wanted);
  }
  return take(std::move(vectors),
              {static_cast<py::ssize_t>(wanted.size()), static_cast<py::ssize_t>(store.collection().options().dim)});
}

// -1 where there is none.
py::array_t<std::int64_t> values(Datastore& store, const Array<std::uint64_t>& ids) {
  std::vector<std::int64_t> out;
  for (const auto& value : store.collection().rows().values(point_ids(ids)))
    out.push_back(value ? std::int64_t{*value} : -1);
  return take(std::move(out), {ids.shape(), ids.shape() + ids.ndim()});
}

py::object next_ids(Datastore& store, const Array<std::uint64_t>& ids) {
  const std::vector<index::PointId> wanted = point_ids(ids);
  std::vector<std::optional<index::PointId>> next;
  {
    const py::gil_scoped_release released;
    next = store.next_ids(wanted);
  }
  IdArray out(next.size());
  for (std::size_t i = 0; i < next.size(); ++i)
    if (next[i]) out.set(i, *next[i]);
  return out.take({ids.shape(), ids.shape() + ids.ndim()});
}

}  // namespace

void bind_datastore(py::module_& module) {
  py::class_<Datastore>(module, "Datastore")
      .def(py::init([](std::shared_ptr<index::Collection> collection) {
        return std::make_unique<Datastore>(std::move(collection));
      }))
      .def("append", &append, py::arg("keys"), py::arg("values") = py::none(), py::arg("weights") = py::none(),
           py::arg("documents") = py::none())
      .def("next_row", &Datastore::next_row)
      .def("lookup", &lookup, py::arg("queries"), py::arg("options"), py::arg("threads") = 0)
      .def("score", &score, py::arg("queries"), py::arg("targets"), py::arg("lm_log_probabilities"), py::arg("lambdas"),
           py::arg("options"), py::arg("threads") = 0)
      .def("search", &search, py::arg("queries"), py::arg("options"), py::arg("threads") = 0)
      .def("self_join", &self_join, py::arg("first"), py::arg("last"), py::arg("options"),
           py::arg("exclude_same_document"), py::arg("threads") = 0)
      .def("distances", &distances)
      .def("get_vectors", &get_vectors)
      .def("values", &values)
      .def("next_ids", &next_ids);
}

}  // namespace nestor::python
