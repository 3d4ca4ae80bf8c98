#include "server/index_jobs.h"

#include "index/tuning_remedies.h"

#include <utility>

namespace nestor::server {
namespace {

void keep_certificates(index::Collection& collection, index::CalibrationReport& report) {
  std::vector<index::Certificate> fresh;
  for (const auto& outcome : report.outcomes)
    if (outcome.certificate) fresh.push_back(*outcome.certificate);
  if (fresh.empty()) return;
  const auto kept = collection.keep_certificates(std::move(fresh));
  std::size_t next = 0;
  for (auto& outcome : report.outcomes)
    if (outcome.certificate) outcome.certificate = kept[next++];
}

}  // namespace

JobInput calibration_job(CalibrationInput input) {
  const auto owned = std::make_shared<CalibrationInput>(std::move(input));
  return {JobKind::calibration, owned->collection_name, [owned](const JobProgress& progress) -> JobReport {
            index::CalibrationRequest request = owned->request;
            request.queries = owned->queries;
            request.allowed_slots = owned->allowed_slots;
            request.allowed_numbering = owned->allowed_slots.numbering;
            request.progress = progress;
            index::CalibrationReport report = index::calibrate(*owned->collection, request);
            keep_certificates(*owned->collection, report);
            return report;
          }};
}

JobInput tuning_job(TuningInput input) {
  const auto owned = std::make_shared<TuningInput>(std::move(input));
  return {JobKind::tuning, owned->collection_name, [owned](const JobProgress& progress) -> JobReport {
            index::TuningRequest request = owned->request;
            request.queries = owned->queries;
            request.progress = progress;
            index::TuningReport report = index::tune(*owned->collection, request);
            for (const std::string& remedy : index::tuning_remedies(report, request))
              report.reasons.push_back("what would help: " + remedy);
            if (owned->store && (report.reached || owned->best_effort))
              owned->collection->use_tuned_policy(report.chosen);
            return report;
          }};
}

}  // namespace nestor::server
