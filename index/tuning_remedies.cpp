#include "index/tuning_remedies.h"

#include <array>
#include <cstdio>

namespace nestor::index {
namespace {

std::string shown(const char* format, double number) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

}  // namespace

std::vector<std::string> tuning_remedies(const TuningReport& report, const TuningRequest& request) {
  if (report.reached) return {};
  const std::string k = std::to_string(request.k);
  if (request.max_latency_ms)
    return {"the fastest policy took " + shown("%.3g", report.on_a.microseconds / 1000) +
                " ms for 95 % of the queries: allow more, or ask for fewer than " + k + " neighbours",
            "a graph of fewer links (max_links) answers sooner and finds less"};
  std::vector<std::string> out{"the deepest policy found " + shown("%.4f", 1 - report.on_a.loss) + " of the " + k +
                               " nearest: ask for less than that"};
  if (report.proposed_width > report.graph_width)
    out.push_back("build the graph at " + std::to_string(report.proposed_width) + " coordinates instead of " +
                  std::to_string(report.graph_width) + " (rebuild)");
  out.push_back("build with more links and candidates (max_links, candidates_at_build)");
  if (request.queries.empty())
    out.push_back("tune with queries like those to come: rows of the collection stood in for them");
  return out;
}

}  // namespace nestor::index
