#pragma once
// What the server counts, for /metrics and /telemetry.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "index/search_types.h"
#include "storage/database.h"

namespace nestor::server {

struct Route;

// One answered request.
struct RequestReport {
  const Route* route = nullptr;  // null: none fits
  int status = 0;
  std::size_t request_bytes = 0, response_bytes = 0;  // of the bodies
  double seconds = 0;
};

// Thread-safe; counting takes no lock, apart from the first request of a route with a status.
class Metrics {
 public:
  // The database must outlive this; it is asked about its collections at each scrape.
  // data_directory: where it lies, empty when nobody says.
  explicit Metrics(const storage::Database& database, std::string data_directory = {});
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void count_request(const RequestReport& report);
  void connection_opened();
  void connection_closed();
  void connection_refused();
  void connection_evicted();

  // One search in 16 is asked what its stages did, so that watching costs nothing one could measure.
  bool wants_stages();
  void count_stages(std::span<const index::StageReport> stages);

  // In Prometheus' text format.
  std::string text() const;
  // The result of GET /telemetry, as JSON.
  std::string telemetry() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::server
