#pragma once
// Policies, what they cost, and certificates, as JSON.

#include <string>

#include "index/calibrator.h"
#include "server/certificate_monitor.h"

namespace nestor::server {

void append_policy(std::string& out, const index::SearchPolicy& policy);
void append_figures(std::string& out, const index::PolicyFigures& figures);
// now: what the collection serves from, which decides whether the certificate is in force.
void append_certificate(std::string& out, const index::Certificate& c, const index::ServedState& now,
                        const MonitorState* watched = nullptr);

}  // namespace nestor::server
