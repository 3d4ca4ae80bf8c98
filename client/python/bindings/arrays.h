#pragma once
// NumPy arrays in and out of the engine without copies where the layout allows it, and keyword arguments as options.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/collection.h"

namespace nestor::python {

namespace py = pybind11;

// C order; an array of this type and order is used where it lies, anything else is converted once.
template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <class T>
std::span<const T> span_of(const Array<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

// The array takes over the vector's memory.
template <class T>
py::array_t<T> take(std::vector<T> values, std::vector<py::ssize_t> shape = {}) {
  auto* held = new std::vector<T>(std::move(values));
  const py::capsule owner(held, [](void* p) { delete static_cast<std::vector<T>*>(p); });
  if (shape.empty()) shape = {static_cast<py::ssize_t>(held->size())};
  return py::array_t<T>(shape, held->data(), owner);
}

// Queries [count x n], or one query [n].
struct Queries {
  explicit Queries(const Array<float>& array);
  std::span<const float> values;
  std::size_t count = 0;
};

std::vector<index::PointId> point_ids(const Array<std::uint64_t>& ids);
// Python's int, or text of a UUID.
py::object shown_id(const index::PointId& id);

// Ids on their way out: int64, -1 where there is none. Where one does not fit (from 2^63 on), an array of objects:
// Python's own integers. Throws failed_precondition for UUIDs.
class IdArray {
 public:
  explicit IdArray(std::size_t size) : ids_(size, -1) {}
  void set(std::size_t at, const index::PointId& id);
  py::object take(const std::vector<py::ssize_t>& shape);

 private:
  std::vector<std::int64_t> ids_;
  std::vector<std::pair<std::size_t, std::uint64_t>> large_;
};

// k, exact, width, ef, distance_gap, stages=[(width, shortlist), ...], exact_distances, explain, target_recall,
// max_latency_ms, encoder. Throws invalid_argument for unknown names; nestor/arguments.py has checked the values.
index::SearchOptions search_options(const py::dict& options);
py::list stage_reports(const std::vector<index::StageReport>& stages);

// (D, I) as Faiss has them, [count x k]: squared distances for l2, products for dot and cosine; -1 and the worst
// possible distance where there are fewer. For I see IdArray.
py::tuple distances_and_ids(const std::vector<index::QueryResult>& results, std::uint32_t k, index::Metric metric);
// What Python sees for an internal distance.
float shown_distance(index::Metric metric, float distance);

void bind_collection(py::module_& module);
void bind_datastore(py::module_& module);
void bind_analysis(py::module_& module);
void bind_calibration(py::module_& module);

}  // namespace nestor::python
