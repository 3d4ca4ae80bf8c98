#pragma once
// What the routes of background jobs share.

#include <cstddef>
#include <string>
#include <vector>

#include "server/api.h"
#include "server/background_jobs.h"
#include "server/json_view.h"

namespace nestor::server {

inline constexpr std::uint64_t kMostSampled = 1'000'000;

struct JobRoutes {
  JobKind kind = JobKind::calibration;
  JobInput (*read)(Context& context, const Call& call) = nullptr;  // from the body of a request
  void (*append_report)(std::string& out, const JobReport& report, const index::ServedState& now) = nullptr;
};

// Under /collections/{name}/, calibrations or tunings: POST starts one, GET lists them, GET /{id} shows one, DELETE
// /{id} cancels it.
void add_job_routes(Router& router, Context& context, const JobRoutes& routes);

// The coordinates of the body's `queries`, appended; returns how many, 0 where there are none.
std::size_t read_job_queries(const JsonValue& body, const OpenCollection& target, std::vector<float>& out);

}  // namespace nestor::server
