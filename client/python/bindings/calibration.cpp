// Calibration, certificates, tuning and ranking metrics.

#include <cmath>
#include <optional>

#include "client/python/bindings/arrays.h"
#include "client/python/bindings/interruption.h"
#include "index/calibrator.h"
#include "index/error.h"
#include "index/ranking_metrics.h"
#include "index/tuner.h"
#include "index/tuning_remedies.h"

namespace nestor::python {
namespace {

using index::Collection;
using index::Error;
using index::ErrorCode;

py::dict figures(const index::PolicyFigures& f) {
  py::dict out;
  out["loss"] = f.loss;
  out["evaluations"] = f.evaluations;
  out["coordinates"] = f.coordinates;
  out["microseconds_p95"] = f.microseconds;
  return out;
}

py::dict certificate(const index::Certificate& c, const std::string& stale) {
  py::dict out;
  out["id"] = c.id;
  out["k"] = c.k;
  out["metric"] = std::string(to_string(c.metric));
  out["loss"] = std::string(to_string(c.loss));
  out["loss_parameter"] = c.loss_parameter;
  out["epsilon"] = c.level.epsilon;
  out["confidence"] = 1 - c.level.delta;
  out["promise"] = std::string(to_string(c.promise));
  out["test"] = std::string(to_string(c.test));
  out["source"] = std::string(to_string(c.source));
  out["queries"] = c.queries;
  out["encoder"] = c.encoder;
  out["filter"] = c.filter;
  out["policy"] = to_string(c.policy());
  out["risk"] = c.path[c.chosen].risk;
  out["in_force"] = stale.empty() && c.withdrawn.empty();
  out["why_not"] = c.withdrawn.empty() ? stale : c.withdrawn;
  return out;
}

// What the keyword arguments say; nestor.Collection.calibrate has their defaults.
index::CalibrationRequest calibration_request(const py::dict& given) {
  index::CalibrationRequest request;
  request.k = given["k"].cast<std::uint32_t>();
  request.rows = given["rows"].cast<std::size_t>();
  request.delta = 1 - given["confidence"].cast<double>();
  request.test = index::parse_risk_test(given["test"].cast<std::string>());
  request.promise = given["expected"].cast<bool>() ? index::Promise::expected : index::Promise::certified;
  request.learn = given["second_look"].cast<bool>();
  request.seed = given["seed"].cast<std::uint64_t>();
  request.threads = given["threads"].cast<unsigned>();
  request.encoder = given["encoder"].cast<std::string>();
  request.loss = index::parse_loss_kind(given["loss"].cast<std::string>());
  request.loss_parameter = given["loss_parameter"].cast<double>();
  for (const double epsilon : given["epsilons"].cast<std::vector<double>>())
    request.epsilons.push_back(std::round(epsilon * 1e9) / 1e9);
  return request;
}

py::dict calibrate(Collection& collection, const std::optional<Array<float>>& queries, const py::dict& options,
                   bool keep) {
  index::CalibrationRequest request = calibration_request(options);
  std::optional<Queries> given;
  if (queries) {
    given.emplace(*queries);
    request.queries = given->values;
    request.count = given->count;
  }
  auto report = interruptible<index::CalibrationReport>([&](const Interruption& interruption) {
    request.progress = [&](const index::CalibrationProgress&) { interruption.check(); };
    return index::calibrate(collection, request);
  });
  {
    const py::gil_scoped_release released;
    std::vector<index::Certificate> fresh;
    for (const auto& o : report.outcomes)
      if (o.certificate) fresh.push_back(*o.certificate);
    if (keep && !fresh.empty()) {
      const auto kept = collection.keep_certificates(std::move(fresh));
      std::size_t next = 0;
      for (auto& o : report.outcomes)
        if (o.certificate) o.certificate = kept[next++];
    }
  }
  py::list outcomes;
  for (const auto& o : report.outcomes) {
    py::dict one;
    one["epsilon"] = o.epsilon;
    one["certificate"] = o.certificate ? py::object(certificate(*o.certificate, "")) : py::none();
    one["risk"] = o.risk;
    one["held_out"] = figures(o.on_c);
    one["fixed_held_out"] = figures(o.fixed_on_c);
    outcomes.append(one);
  }
  py::dict out;
  out["outcomes"] = outcomes;
  out["full_ladder_held_out"] = figures(report.full_ladder);
  out["default_held_out"] = figures(report.default_policy);
  out["second_look"] = report.deferral.shipped;
  out["split"] = py::make_tuple(report.on_a, report.on_b, report.on_c);
  out["seconds"] = report.seconds;
  out["warnings"] = report.warnings;
  return out;
}

py::list certificates(const Collection& collection) {
  const auto now = collection.served_state();
  py::list out;
  for (const index::Certificate& c : collection.certificates()) out.append(certificate(c, why_stale(c, now)));
  return out;
}

py::dict tune(Collection& collection, const std::optional<Array<float>>& queries, double recall,
              const std::optional<double>& latency_ms, std::uint32_t k, bool keep, bool best_effort) {
  index::TuningRequest request;
  std::optional<Queries> given;
  if (queries) {
    given.emplace(*queries);
    request.queries = given->values;
    request.count = given->count;
  }
  request.wanted_recall = recall;
  request.max_latency_ms = latency_ms;
  request.k = k;
  const auto report = interruptible<index::TuningReport>([&](const Interruption& interruption) {
    request.progress = [&](const index::CalibrationProgress&) { interruption.check(); };
    return index::tune(collection, request);
  });
  const bool stored = keep && (report.reached || best_effort);
  if (stored) {
    const py::gil_scoped_release released;
    collection.use_tuned_policy(report.chosen);
  }
  py::dict out;
  out["stored"] = stored;
  out["remedies"] = tuning_remedies(report, request);
  out["policy"] = to_string(report.chosen.policy);
  out["reached"] = report.reached;
  out["held_out"] = figures(report.on_c);
  out["before_held_out"] = figures(report.default_on_c);
  out["graph_width"] = report.graph_width;
  out["proposed_width"] = report.proposed_width;
  out["reasons"] = report.reasons;
  return out;
}

double ranking_metric(const std::string& name, const Array<double>& scores, const Array<double>& labels,
                      const std::optional<std::size_t>& cutoff, const std::optional<std::uint64_t>& random_ties) {
  return index::ranking_metric(index::parse_ranking_metric(name), {span_of(scores), span_of(labels)},
                               {cutoff, random_ties});
}

}  // namespace

void bind_calibration(py::module_& module) {
  module.def("calibrate", &calibrate, py::arg("collection"), py::arg("queries"), py::arg("options"), py::arg("keep"));
  module.def("certificates", &certificates, py::arg("collection"));
  module.def("drop_certificates", &Collection::drop_certificates, py::arg("collection"));
  module.def("tune", &tune, py::arg("collection"), py::arg("queries"), py::arg("recall"), py::arg("latency_ms"),
             py::arg("k"), py::arg("keep"), py::arg("best_effort") = false);
  module.def("ranking_metric", &ranking_metric, py::arg("metric"), py::arg("scores"), py::arg("labels"),
             py::arg("cutoff") = py::none(), py::arg("random_ties") = py::none());
}

}  // namespace nestor::python
