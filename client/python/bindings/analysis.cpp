#include "client/python/bindings/arrays.h"
#include "index/candidate_score.h"
#include "index/dispersion.h"
#include "index/greedy_merge.h"

namespace nestor::python {
namespace {

using index::Dispersion;

py::array_t<std::uint32_t> merge(const Array<std::uint32_t>& values, const Array<std::int64_t>& neighbours,
                                 std::uint64_t seed) {
  std::vector<std::uint32_t> weights;
  {
    const py::gil_scoped_release released;
    std::vector<std::uint32_t> rows;
    rows.reserve(static_cast<std::size_t>(neighbours.size()));
    for (const std::int64_t id : span_of(neighbours))
      rows.push_back(id < 0 || id >= index::kNoRow ? index::kNoRow : static_cast<std::uint32_t>(id));
    weights = index::greedy_merge({span_of(values), rows, seed});
  }
  return take(std::move(weights));
}

py::array_t<float> score_candidates(const Array<float>& candidates, const Array<float>& evidence,
                                    const std::string& metric, const std::string& by) {
  const std::size_t dim = candidates.ndim() == 2 ? static_cast<std::size_t>(candidates.shape(1)) : 0;
  return take(index::score_candidates(
      {span_of(candidates), span_of(evidence), dim, index::parse_metric(metric), index::parse_support(by)}));
}

}  // namespace

void bind_analysis(py::module_& module) {
  py::class_<Dispersion>(module, "Dispersion")
      .def(py::init<std::vector<std::uint32_t>>(), py::arg("widths"))
      .def("add",
           [](Dispersion& dispersion, const Array<float>& rows) {
             const py::gil_scoped_release released;
             dispersion.add(span_of(rows));
           })
      .def("merge", &Dispersion::merge)
      .def_property_readonly("widths", &Dispersion::widths)
      .def("rows", &Dispersion::rows)
      .def("zero_rows", &Dispersion::zero_rows)
      .def("value", &Dispersion::value)
      .def("between", &Dispersion::between)
      .def("gap", &Dispersion::gap);
  module.def("greedy_merge", &merge, py::arg("values"), py::arg("neighbours"), py::arg("seed") = 1);
  module.def("score_candidates", &score_candidates, py::arg("candidates"), py::arg("evidence"),
             py::arg("metric") = "cosine", py::arg("by") = "max");
}

}  // namespace nestor::python
