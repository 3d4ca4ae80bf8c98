#pragma once
// Calibration and tuning as jobs: what one works on, and what it leaves with the collection.

#include <memory>
#include <string>
#include <vector>

#include "index/calibrator.h"
#include "index/tuner.h"
#include "server/background_jobs.h"

namespace nestor::server {

// Owns all that its request points to.
struct CalibrationInput {
  std::shared_ptr<index::Collection> collection;
  std::string collection_name;
  std::vector<float> queries;
  index::SelectedSlots allowed_slots;
  index::CalibrationRequest request;  // without spans and progress: those are set by the job
};

// Keeps the certificates; those of the report carry their ids.
JobInput calibration_job(CalibrationInput input);

struct TuningInput {
  std::shared_ptr<index::Collection> collection;
  std::string collection_name;
  std::vector<float> queries;
  index::TuningRequest request;  // without the span and progress
  bool store = true;             // the choice becomes what searches do that say nothing about depth,
  bool best_effort = false;      // ... also where it has not reached what was asked
};

JobInput tuning_job(TuningInput input);

}  // namespace nestor::server
