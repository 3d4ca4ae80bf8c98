#pragma once
// What may help where a tuning has not reached what was asked (index/tuner.h).

#include <string>
#include <vector>

#include "index/tuner.h"

namespace nestor::index {

// One sentence each, the likeliest first; empty where the report has reached what the request asked for.
std::vector<std::string> tuning_remedies(const TuningReport& report, const TuningRequest& request);

}  // namespace nestor::index
