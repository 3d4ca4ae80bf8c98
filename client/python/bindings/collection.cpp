#include <optional>

#include "client/python/bindings/arrays.h"
#include "client/python/bindings/interruption.h"
#include "index/error.h"

namespace nestor::python {
namespace {

using index::Collection;
using index::Error;
using index::ErrorCode;
using index::PointId;

// Python's int or UUID text.
PointId point_id(const py::handle& id) {
  return py::isinstance<py::str>(id) ? PointId::uuid(id.cast<std::string>())
                                     : PointId::number(id.cast<std::uint64_t>());
}

index::Sequence upsert(Collection& collection, const py::sequence& ids, const Array<float>& vectors,
                       const std::optional<Array<std::uint32_t>>& values,
                       const std::optional<std::vector<std::string>>& payloads) {
  const std::size_t count = ids.size(), dim = collection.options().dim;
  if (vectors.ndim() != 2 || static_cast<std::size_t>(vectors.shape(0)) != count ||
      static_cast<std::size_t>(vectors.shape(1)) != dim)
    throw Error(ErrorCode::invalid_argument,
                "vectors must be an array [" + std::to_string(count) + " x " + std::to_string(dim) + "]");
  if ((values && static_cast<std::size_t>(values->size()) != count) || (payloads && payloads->size() != count))
    throw Error(ErrorCode::invalid_argument,
                "values and payloads must be as many as the " + std::to_string(count) + " ids");
  std::vector<index::Point> points(count);
  for (std::size_t i = 0; i < count; ++i) {
    points[i].id = point_id(ids[i]);
    points[i].vector = span_of(vectors).subspan(i * dim, dim);
    if (payloads) points[i].payload = (*payloads)[i];
    if (values) points[i].value = values->data()[i];
  }
  const py::gil_scoped_release released;
  return collection.upsert(points);
}

py::tuple search(Collection& collection, const Array<float>& queries_in, const py::dict& options, unsigned threads) {
  const Queries queries(queries_in);
  const index::SearchOptions search = search_options(options);
  std::vector<index::QueryResult> results;
  {
    const py::gil_scoped_release released;
    results = collection.search_batch(queries.values, queries.count, search, threads);
  }
  return distances_and_ids(results, search.k, collection.options().metric);
}

py::dict query(Collection& collection, const Array<float>& vector, const py::dict& options) {
  const index::SearchOptions search = search_options(options);
  index::QueryResult result;
  {
    const py::gil_scoped_release released;
    result = collection.search(span_of(vector), search);
  }
  py::list hits;
  for (const index::Hit& hit : result.hits) {
    py::dict one;
    one["id"] = shown_id(hit.id);
    one["distance"] = shown_distance(collection.options().metric, hit.distance);
    one["score"] = hit.score;
    one["value"] = hit.value ? py::object(py::int_(*hit.value)) : py::none();
    hits.append(one);
  }
  py::dict out;
  out["hits"] = hits;
  out["stages"] = stage_reports(result.stages);
  if (const auto& said = result.certification) {
    py::dict one;
    one["certified"] = said->certified;
    one["certificate"] = said->certificate ? py::object(py::int_(said->certificate)) : py::none();
    one["recall"] = said->recall;
    one["exit_stage"] = said->exit_stage;
    one["note"] = said->note;
    out["certification"] = one;
  }
  return out;
}

py::object get(Collection& collection, const py::object& id) {
  const auto record = collection.get(point_id(id), true, true);
  if (!record) return py::none();
  py::dict out;
  out["id"] = shown_id(record->id);
  out["vector"] = take(record->vector);
  out["payload"] = record->payload;
  out["value"] = record->value ? py::object(py::int_(*record->value)) : py::none();
  return out;
}

py::dict recall_dict(const index::RecallReport& recall) {
  py::dict out;
  out["recall_reached"] = recall.reached;
  out["search_by"] = recall.scans ? "scan" : "walk";
  out["choice"] = recall.choice;
  out["remedy"] = recall.remedy;
  out["wanted_recall"] = recall.wanted;
  out["measured_recall"] = recall.measured;
  out["measured_recall_interval"] = py::make_tuple(recall.low, recall.high);
  out["questions"] = recall.questions;
  out["asked"] = recall.asked_queries ? "queries" : "rows";
  return out;
}

py::dict build(Collection& collection, unsigned threads, bool deterministic) {
  const index::BuildReport report = interruptible<index::BuildReport>([&](const Interruption& interruption) {
    index::BuildOptions options;
    options.threads = threads;
    options.deterministic = deterministic;
    options.progress = [&](const index::BuildProgress&) { interruption.check(); };
    return collection.build(options);
  });
  py::dict out;
  out["rows"] = report.rows;
  out["seconds"] = report.seconds;
  out["generation_bytes"] = report.generation_bytes;
  out["notes"] = report.notes;
  out["recall"] = recall_dict(report.recall);
  return out;
}

py::dict info(Collection& collection) {
  const index::CollectionInfo info = collection.info();
  py::dict out;
  out["points"] = info.points;
  out["indexed_points"] = info.indexed_points;
  out["tail_rows"] = info.tail_rows;
  out["building"] = info.building;
  out["dim"] = info.options.dim;
  out["metric"] = std::string(to_string(info.options.metric));
  out["dtype"] = std::string(to_string(info.options.scalar_type));
  out["rotation"] = std::string(to_string(info.options.rotation));
  out["widths"] = info.options.widths;
  out["graphs"] = info.options.graphs;
  out["recall"] = recall_dict(info.recall);
  py::dict memory;
  memory["links"] = info.memory.links;
  memory["codes"] = info.memory.codes;
  memory["walked_rows"] = info.memory.walked_rows;
  memory["mapped_codes"] = info.memory.mapped_codes;
  memory["rows"] = info.memory.rows;
  memory["ids"] = info.memory.ids;
  memory["tail"] = info.memory.tail;
  out["memory"] = memory;
  return out;
}

}  // namespace

void bind_collection(py::module_& module) {
  py::class_<Collection, std::shared_ptr<Collection>>(module, "Collection")
      .def_property_readonly("name", &Collection::name)
      .def_property_readonly("dim", [](const Collection& collection) { return collection.options().dim; })
      .def_property_readonly(
          "metric", [](const Collection& collection) { return std::string(to_string(collection.options().metric)); })
      .def("upsert", &upsert, py::arg("ids"), py::arg("vectors"), py::arg("values") = py::none(),
           py::arg("payloads") = py::none())
      .def("erase",
           [](Collection& collection, const py::sequence& ids) {
             std::vector<PointId> wanted;
             for (const auto& id : ids) wanted.push_back(point_id(id));
             const py::gil_scoped_release released;
             return collection.erase(wanted);
           })
      .def("search", &search, py::arg("queries"), py::arg("options"), py::arg("threads") = 0)
      .def("query", &query)
      .def("get", &get)
      .def("build", &build, py::arg("threads") = 0, py::arg("deterministic") = false)
      .def("info", &info)
      .def("__len__", &Collection::count);
}

}  // namespace nestor::python
