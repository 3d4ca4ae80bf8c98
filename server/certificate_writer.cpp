#include "server/certificate_writer.h"

#include "server/object_writer.h"

namespace nestor::server {

void append_policy(std::string& out, const index::SearchPolicy& policy) {
  ObjectWriter object(out);
  object.number("explore", policy.explore);
  object.real("gap", static_cast<double>(policy.gap));
  object.number("keep", policy.keep);
  object.number("rerank", policy.rerank);
  if (policy.deferral) object.real("second_gap", static_cast<double>(policy.deferral->gap));
}

void append_certificate(std::string& out, const index::Certificate& c, const index::ServedState& now,
                        const MonitorState* watched) {
  ObjectWriter object(out);
  const std::string stale = c.withdrawn.empty() ? index::why_stale(c, now) : c.withdrawn;
  object.number("id", c.id);
  object.flag("in_force", stale.empty());
  if (!stale.empty()) object.text("stale", stale);
  object.number("created", static_cast<std::uint64_t>(c.created));
  object.number("generation", c.state.generation);
  object.text("checksum", std::to_string(c.state.fingerprint));
  object.number("points", c.state.points);
  std::string& widths = object.name("widths");
  for (std::size_t i = 0; i < c.widths.size(); ++i) {
    widths += i == 0 ? '[' : ',';
    append_unsigned(widths, c.widths[i]);
  }
  widths += ']';
  object.number("k", c.k);
  object.text("metric", to_string(c.metric));
  object.text("filter", c.filter);
  object.text("encoder", c.encoder);
  object.text("source", to_string(c.source));
  object.text("loss", to_string(c.loss));
  object.real("loss_parameter", c.loss_parameter);
  object.real("epsilon", c.level.epsilon);
  object.real("delta", c.level.delta);
  object.text("promise", to_string(c.promise));
  object.text("test", to_string(c.test));
  object.number("queries", c.queries);
  object.number("seed", c.seed);
  append_policy(object.name("policy"), c.policy());
  if (watched != nullptr) {
    ObjectWriter monitor(object.name("monitor"));
    monitor.number("checked", watched->checked);
    monitor.real("mean_loss", watched->mean_loss);
    monitor.real("wealth", watched->wealth);
    monitor.flag("alarm", watched->alarmed);
  }
  object.number("chosen", c.chosen);
  std::string& path = object.name("path");
  path += '[';
  for (std::size_t i = 0; i < c.path.size(); ++i) {
    if (i != 0) path += ',';
    ObjectWriter point(path);
    append_policy(point.name("policy"), c.path[i].policy);
    if (c.path[i].tested) {
      point.real("risk", c.path[i].risk);
      point.real("p_value", c.path[i].p_value);
    }
    point.real("evaluations", c.path[i].evaluations);
    point.real("coordinates", c.path[i].coordinates);
    point.real("microseconds_p95", c.path[i].microseconds);
  }
  path += ']';
}

void append_figures(std::string& out, const index::PolicyFigures& figures) {
  ObjectWriter object(out);
  object.real("loss", figures.loss);
  object.real("evaluations", figures.evaluations);
  object.real("coordinates", figures.coordinates);
  object.real("microseconds_p95", figures.microseconds);
}

}  // namespace nestor::server
