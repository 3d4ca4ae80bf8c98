#pragma once
// Calibrations that run in the background, one at a time: they take minutes, requests do not.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "index/calibrator.h"

namespace nestor::server {

// What a job works on; owns all that its request points to.
struct CalibrationInput {
  std::shared_ptr<index::Collection> collection;
  std::string collection_name;
  std::vector<float> queries;
  index::SelectedSlots allowed_slots;
  index::CalibrationRequest request;  // without spans and progress: those are set here
};

enum class JobStatus : std::uint8_t { queued, running, done, failed, cancelled };
std::string_view to_string(JobStatus status);

struct CalibrationJob {
  std::uint64_t id = 0;
  std::string collection_name;
  JobStatus status = JobStatus::queued;
  index::CalibrationProgress progress;
  std::string error;                               // when it failed
  std::optional<index::CalibrationReport> report;  // when it is done; certificates carry their ids
};

// Thread-safe. Destroying it cancels what runs.
class CalibrationJobs {
 public:
  CalibrationJobs() = default;
  ~CalibrationJobs();
  CalibrationJobs(const CalibrationJobs&) = delete;
  CalibrationJobs& operator=(const CalibrationJobs&) = delete;

  // Throws Error resource_exhausted when kMostWaiting wait already.
  std::uint64_t start(CalibrationInput input);
  std::optional<CalibrationJob> find(std::uint64_t id) const;
  std::vector<CalibrationJob> all(const std::string& collection_name) const;  // oldest first, without reports
  // A queued job never runs, a running one stops at its next step. False: no such job, or it is over.
  bool cancel(std::uint64_t id);
  // For tests and shutting down: until the job is over. False: no such job.
  bool wait(std::uint64_t id) const;

  static constexpr std::size_t kMostWaiting = 16;
  static constexpr std::size_t kMostRemembered = 64;  // finished ones; the oldest are forgotten

 private:
  struct Entry {
    CalibrationJob job;
    CalibrationInput input;
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
