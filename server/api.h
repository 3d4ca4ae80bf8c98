#pragma once
// The whole HTTP interface without HTTP: a request goes in, an answer comes out, nothing is thrown.

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/background_jobs.h"
#include "server/catalog.h"
#include "server/gatekeeper.h"
#include "server/certificate_monitor.h"
#include "server/limits.h"
#include "server/message.h"
#include "server/metrics.h"
#include "server/router.h"
#include "server/uploaded_part.h"
#include "server/worker_pool.h"
#include "storage/database.h"

namespace nestor::server {

// What handlers work with. Shared by all of them, thread-safe.
struct Context {
  Context(storage::Database& given, RequestLimits given_limits, std::string data_directory)
      : database(given), catalog(given), limits(given_limits), metrics(given, std::move(data_directory)) {}

  storage::Database& database;
  Catalog catalog;
  RequestLimits limits;
  Metrics metrics;
  CertificateMonitor monitor{};
  BackgroundJobs jobs{};
  std::vector<std::filesystem::path> recovery_folders{};
  std::atomic<bool> ready{true};                  // false while stopping: load balancers look elsewhere
  std::function<void(const std::string&)> log{};  // of failures that no answer tells
  WorkerPool errands{1, 64};                      // what was accepted and is done after the answer; ends first
};

// What is around the interface: who may use it, and where it lies.
struct ApiSurroundings {
  AccessPolicy access;
  std::function<void(const std::string&)> log;  // of failures that are not the client's
  std::string data_directory;  // the database's, to tell how much of the disk it takes; empty: not told
  // Where snapshots may be recovered from, beside the folder in which the database keeps its own.
  std::vector<std::filesystem::path> recovery_folders = {};
};

// Thread-safe.
class Api {
 public:
  Api(storage::Database& database, RequestLimits limits, ApiSurroundings around = {});

  // First the route, which tells where the work belongs and who may ask for it, then the work. The match must be of
  // this request. admit() needs no body, and answers what may not go further.
  RouteMatch match(std::string_view method, std::string_view target) const { return router_.match(method, target); }
  std::optional<Response> admit(const RouteMatch& match, const Request& head) const;
  Response run(const RouteMatch& match, const Request& request);
  // For routes whose body goes to disk: begun with the head, before the body. Nothing for all others.
  struct Upload {
    std::shared_ptr<UploadedPart> part;
    std::optional<Response> refused;
  };
  Upload begin_upload(const RouteMatch& match, const Request& head) const;
  // For the lane short_read, on a connection's thread; nullopt: the request is a long one, run() it on a worker.
  std::optional<Response> run_short(const RouteMatch& match, const Request& request);
  // All of it in one go.
  Response handle(const Request& request);
  const Router& router() const { return router_; }
  Metrics& metrics() { return context_.metrics; }

  // For tests: waits until what was accepted so far has been done.
  void finish_errands();
  // From now on it is not ready, and no calibration or tuning runs.
  void begin_stop() {
    context_.ready = false;
    context_.jobs.stop();
  }

 private:
  Response run_in_memory(const RouteMatch& match, const Request& request);
  Response run_on(const RouteMatch& match, const Request& request, bool on_loop);
  Response attempt(const RouteMatch& match, const Request& request, bool on_loop);
  void log_failure(const Request& request, const std::string& what) const;

  Context context_;
  Gatekeeper gatekeeper_;
  Router router_;
  std::function<void(const std::string&)> log_;
};

}  // namespace nestor::server
