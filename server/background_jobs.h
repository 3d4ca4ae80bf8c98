#pragma once
// Work that takes minutes, where requests do not: calibrations and tunings, one at a time.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "index/calibrator.h"
#include "index/tuner.h"

namespace nestor::server {

enum class JobKind : std::uint8_t { calibration, tuning };
std::string_view to_string(JobKind kind);

enum class JobStatus : std::uint8_t { queued, running, done, failed, cancelled };
std::string_view to_string(JobStatus status);

// Must be called now and then by what works; throws to end it when the job is cancelled.
using JobProgress = std::function<void(const index::CalibrationProgress&)>;
using JobReport = std::variant<std::monostate, index::CalibrationReport, index::TuningReport>;

struct JobInput {
  JobKind kind = JobKind::calibration;
  std::string collection_name;
  std::function<JobReport(const JobProgress&)> work;  // owns all that it needs
};

struct Job {
  std::uint64_t id = 0;
  JobKind kind = JobKind::calibration;
  std::string collection_name;
  JobStatus status = JobStatus::queued;
  index::CalibrationProgress progress;
  std::string error;  // when it failed
  JobReport report;   // when it is done
};

// Thread-safe. Destroying it cancels what runs.
class BackgroundJobs {
 public:
  BackgroundJobs() = default;
  ~BackgroundJobs();
  BackgroundJobs(const BackgroundJobs&) = delete;
  BackgroundJobs& operator=(const BackgroundJobs&) = delete;

  // Throws Error resource_exhausted when kMostWaiting wait already.
  std::uint64_t start(JobInput input);
  std::optional<Job> find(std::uint64_t id) const;
  // Oldest first, without reports.
  std::vector<Job> all(JobKind kind, const std::string& collection_name) const;
  // A queued job never runs, a running one stops at its next step. False: no such job, or it is over.
  bool cancel(std::uint64_t id);
  // Cancels what runs and what waits, and starts nothing any more. Returns at once.
  void stop();
  // For tests and shutting down: until the job is over. False: no such job.
  bool wait(std::uint64_t id) const;

  static constexpr std::size_t kMostWaiting = 16;
  static constexpr std::size_t kMostRemembered = 64;  // finished ones; the oldest are forgotten

 private:
  struct Entry {
    Job job;
    std::function<JobReport(const JobProgress&)> work;
    bool stop = false;
  };

  void work();
  void run(const std::shared_ptr<Entry>& entry);
  void finish(Entry& entry, JobStatus status, std::string error);
  std::shared_ptr<Entry> entry(std::uint64_t id) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::shared_ptr<Entry>> entries_;  // by id
  std::deque<std::shared_ptr<Entry>> waiting_;
  std::uint64_t next_id_ = 1;
  bool stopping_ = false;
  std::thread worker_;  // started by the first job
};

}  // namespace nestor::server
