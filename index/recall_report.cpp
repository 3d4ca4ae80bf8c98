#include "index/recall_report.h"

#include "index/generation.h"
#include "index/ladder.h"
#include "index/planner.h"

namespace nestor::index {
namespace {

bool scans_by_default(const Generation& generation, const CollectionOptions& options) {
  LadderPlan plan = plan_ladder(options, generation, {});
  const bool by_codes = !generation.code_bound().empty();
  plan_walk_or_scan(plan, generation, {}, {1, generation.rows(), SearchOptions{}.k, false, by_codes});
  return plan.exact;
}

}  // namespace

RecallReport report_recall(const Generation& generation, const CollectionOptions& options) {
  RecallReport out;
  if (generation.graphs().empty()) {
    out.scans = true;
    out.choice = "every search compares all rows: there is no graph";
    return out;
  }
  out.scans = scans_by_default(generation, options);
  const std::optional<DefaultPolicy>& policy = generation.default_policy();
  if (!policy) {
    out.choice = "the graphs are of an earlier version, which measured nothing";
    out.remedy = "build again";
    out.measured = out.low = 0;
    out.reached = out.scans;
    return out;
  }
  out.wanted = static_cast<double>(policy->wanted_recall);
  out.measured = static_cast<double>(policy->measured_recall);
  out.low = static_cast<double>(policy->low);
  out.high = static_cast<double>(policy->high);
  out.questions = policy->queries;
  out.asked_queries = policy->asked_queries;
  out.choice = policy->choice;
  out.reached = policy->reached || out.scans;
  if (out.scans && !policy->scans)
    out.choice = "searches that say nothing about their depth scan all rows, which is as cheap here; other " + out.choice;
  if (policy->scans && policy->folded) out.remedy = "a build, which starts by itself: rows were added that the layout does not fit";
  return out;
}

}  // namespace nestor::index
