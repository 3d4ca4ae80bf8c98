#include "client/python/bindings/arrays.h"

#include <limits>

#include "index/error.h"

namespace nestor::python {

using index::Error;
using index::ErrorCode;

Queries::Queries(const Array<float>& array) {
  if (array.ndim() != 1 && array.ndim() != 2)
    throw Error(ErrorCode::invalid_argument,
                "queries are an array [count x dim] or [dim], got " + std::to_string(array.ndim()) + " dimensions");
  values = span_of(array);
  count = array.ndim() == 1 ? 1 : static_cast<std::size_t>(array.shape(0));
}

std::vector<index::PointId> point_ids(const Array<std::uint64_t>& ids) {
  std::vector<index::PointId> out;
  out.reserve(static_cast<std::size_t>(ids.size()));
  for (const std::uint64_t id : span_of(ids)) out.push_back(index::PointId::number(id));
  return out;
}

py::object shown_id(const index::PointId& id) {
  return id.is_uuid ? py::object(py::str(to_string(id))) : py::object(py::int_(id.low));
}

void IdArray::set(std::size_t at, const index::PointId& id) {
  if (id.is_uuid)
    throw Error(ErrorCode::failed_precondition,
                "point " + to_string(id) + " has a UUID, which no integer array can hold; use query()");
  if (id.low > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
    large_.emplace_back(at, id.low);
  else
    ids_[at] = static_cast<std::int64_t>(id.low);
}

py::object IdArray::take(const std::vector<py::ssize_t>& shape) {
  const py::object small = python::take(std::move(ids_));
  if (large_.empty()) return small.attr("reshape")(shape);
  const py::object mixed = small.attr("astype")("O");
  for (const auto& [at, id] : large_) mixed[py::int_(at)] = py::int_(id);
  return mixed.attr("reshape")(shape);
}

index::SearchOptions search_options(const py::dict& options) {
  index::SearchOptions search;
  for (const auto& [key, value] : options) {
    const auto name = key.cast<std::string>();
    if (value.is_none()) continue;
    if (name == "k") {
      search.k = value.cast<std::uint32_t>();
    } else if (name == "exact") {
      search.exact = value.cast<bool>();
    } else if (name == "width") {
      search.width = value.cast<std::uint32_t>();
    } else if (name == "ef") {
      search.candidates_to_explore = value.cast<std::uint32_t>();
    } else if (name == "exact_distances") {
      search.exact_distances = value.cast<bool>();
    } else if (name == "distance_gap") {
      search.distance_gap = value.cast<float>();
    } else if (name == "explain") {
      search.explain = value.cast<bool>();
    } else if (name == "target_recall") {
      search.target_recall = value.cast<double>();
    } else if (name == "max_latency_ms") {
      search.max_latency_ms = value.cast<double>();
    } else if (name == "encoder") {
      search.encoder = value.cast<std::string>();
    } else if (name == "stages") {
      for (const auto& [width, shortlist] : value.cast<std::vector<std::pair<std::uint32_t, std::uint32_t>>>())
        search.stages.push_back({width, shortlist});
    } else {
      throw Error(ErrorCode::invalid_argument,
                  "unknown search option \"" + name +
                      "\", expected one of: k, exact, width, ef, distance_gap, stages, exact_distances, explain, target_recall, "
                      "max_latency_ms, encoder");
    }
  }
  return search;
}

py::list stage_reports(const std::vector<index::StageReport>& stages) {
  py::list out;
  for (const index::StageReport& s : stages) {
    py::dict one;
    one["stage"] = s.name;
    one["width"] = s.width;
    one["candidates_in"] = s.candidates_in;
    one["candidates_out"] = s.candidates_out;
    one["distance_evaluations"] = s.distance_evaluations;
    one["coordinates_read"] = s.coordinates_read;
    one["microseconds"] = s.microseconds;
    one["stopped_because"] = s.stopped_because;
    out.append(one);
  }
  return out;
}

float shown_distance(index::Metric metric, float distance) {
  return metric == index::Metric::l2 ? distance : index::score_from_distance(metric, distance);
}

py::tuple distances_and_ids(const std::vector<index::QueryResult>& results, std::uint32_t k, index::Metric metric) {
  const float worst = shown_distance(index::Metric::l2, std::numeric_limits<float>::infinity());
  std::vector<float> distances(results.size() * k, metric == index::Metric::l2 ? worst : -worst);
  IdArray ids(results.size() * k);
  for (std::size_t q = 0; q < results.size(); ++q)
    for (std::size_t i = 0; i < results[q].hits.size() && i < k; ++i) {
      const index::Hit& hit = results[q].hits[i];
      distances[q * k + i] = shown_distance(metric, hit.distance);
      ids.set(q * k + i, hit.id);
    }
  const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(results.size()), static_cast<py::ssize_t>(k)};
  return py::make_tuple(take(std::move(distances), shape), ids.take(shape));
}

}  // namespace nestor::python
