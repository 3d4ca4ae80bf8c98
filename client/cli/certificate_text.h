#pragma once
// Certificates for people and for programs.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "index/certificate.h"
#include "index/search_types.h"

namespace nestor::client {

// "recall >= 0.95", "recall >= 0.8 for 95 % of queries", "total variation <= 0.05 at T = 5"
std::string promise_text(const index::Certificate& certificate);

// "certified by certificate 3 (recall 0.95), ended by distance gap", or why not.
std::string certification_text(const index::Certification& certification);

nlohmann::json to_json(const index::Certificate& certificate);
nlohmann::json to_json(const index::Certification& certification);

}  // namespace nestor::client
