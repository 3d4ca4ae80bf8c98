// nestor._core: the engine for Python. The Python files beside it give it its public face.

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>

#include "client/python/bindings/arrays.h"
#include "index/error.h"
#include "storage/database.h"

namespace nestor::python {
namespace {

// nestor.errors has one class per code; this is the one place that maps.
void set_python_error(const index::Error& error) {
  const py::object kind = py::module_::import("nestor.errors").attr("of_code")(std::string(to_string(error.code())));
  PyErr_SetString(kind.ptr(), error.what());
}

index::CollectionOptions options_of(const py::dict& given) {
  constexpr const char* kKnown[] = {"dim",    "metric",    "dtype",               "rotation", "walk_codes", "widths",
                                    "graphs", "max_links", "candidates_at_build", "seed",     "exact_below"};
  for (const auto& [key, value] : given) {
    const auto name = key.cast<std::string>();
    if (std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown)) continue;
    std::string known;
    for (const char* one : kKnown) known += (known.empty() ? "" : ", ") + std::string(one);
    throw index::Error(index::ErrorCode::invalid_argument,
                       "unknown collection option \"" + name + "\", expected one of: " + known);
  }
  const auto number = [&](const char* name, auto fallback) {
    return given.contains(name) ? given[name].cast<decltype(fallback)>() : fallback;
  };
  const auto text = [&](const char* name, const char* fallback) {
    return given.contains(name) ? given[name].cast<std::string>() : std::string(fallback);
  };
  index::CollectionOptions options;
  options.dim = number("dim", options.dim);
  options.metric = index::parse_metric(text("metric", "cosine"));
  options.scalar_type = index::parse_scalar_type(text("dtype", "float32"));
  options.rotation = index::parse_rotation(text("rotation", "none"));
  options.walk_codes = index::parse_walk_codes(text("walk_codes", "auto"));
  options.widths = number("widths", options.widths);
  options.graphs = number("graphs", options.graphs);
  options.graph.max_links = number("max_links", options.graph.max_links);
  options.graph.candidates_at_build = number("candidates_at_build", options.graph.candidates_at_build);
  options.graph.seed = number("seed", options.graph.seed);
  options.exact_below = number("exact_below", options.exact_below);
  return options;
}

// Closing may wait for a build; other threads go on meanwhile.
struct CloseDatabase {
  void operator()(storage::Database* database) const {
    const py::gil_scoped_release released;
    delete database;
  }
};
using OpenDatabase = std::unique_ptr<storage::Database, CloseDatabase>;

OpenDatabase open(const std::string& path, bool create, bool background_builds, unsigned threads,
                  const std::string& resident) {
  if (resident != "codes" && resident != "walk")
    throw index::Error(index::ErrorCode::invalid_argument, "resident is \"" + resident + "\": codes or walk");
  storage::DatabaseOptions options;
  options.create_if_missing = create;
  options.background_builds = background_builds;
  options.build_threads = threads;
  if (resident == "walk") options.residency = index::Residency::walk_codes;
  const py::gil_scoped_release released;
  return OpenDatabase(storage::Database::open(path, options).release());
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The engine of Nestor; use the package nestor.";
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const index::Error& error) {
      set_python_error(error);
    }
  });
  bind_collection(module);
  const auto released = py::call_guard<py::gil_scoped_release>();
  py::class_<storage::Database, OpenDatabase>(module, "Database")
      .def(py::init(&open), py::arg("path"), py::arg("create") = true, py::arg("background_builds") = true,
           py::arg("build_threads") = 0, py::arg("resident") = "codes")
      .def("names", &storage::Database::collection_names)
      .def("contains", &storage::Database::contains)
      .def("attributes", &storage::Database::attributes)
      .def("delete", &storage::Database::delete_collection, released)
      .def("collection", [](storage::Database& db, const std::string& name) { return db.collection(name); })
      .def("damaged",
           [](storage::Database& db) {
             std::vector<std::pair<std::string, std::string>> out;
             for (const auto& one : db.damaged()) out.emplace_back(one.name, one.reason);
             return out;
           })
      .def("create",
           [](storage::Database& db, const std::string& name, const py::dict& options, const std::string& attributes) {
             const index::CollectionOptions chosen = options_of(options);
             const py::gil_scoped_release nogil;
             return db.create_collection(name, chosen, attributes);
           });
  bind_datastore(module);
  bind_analysis(module);
  bind_calibration(module);
}

}  // namespace nestor::python
