#include "server/background_jobs.h"

#include <algorithm>
#include <exception>

#include "index/error.h"

namespace nestor::server {
namespace {

struct Cancelled {};

bool over(JobStatus status) { return status != JobStatus::queued && status != JobStatus::running; }

}  // namespace

std::string_view to_string(JobKind kind) { return kind == JobKind::calibration ? "calibration" : "tuning"; }

std::string_view to_string(JobStatus status) {
  switch (status) {
    case JobStatus::queued: return "queued";
    case JobStatus::running: return "running";
    case JobStatus::done: return "done";
    case JobStatus::failed: return "failed";
    case JobStatus::cancelled: return "cancelled";
  }
  return "unknown";
}

BackgroundJobs::~BackgroundJobs() {
  stop();
  if (worker_.joinable()) worker_.join();
}

void BackgroundJobs::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const auto& e : entries_) e->stop = true;
  changed_.notify_all();
}

std::uint64_t BackgroundJobs::start(JobInput input) {
  const std::lock_guard lock(mutex_);
  if (stopping_) throw index::Error(index::ErrorCode::unavailable, "the server is stopping");
  if (waiting_.size() >= kMostWaiting)
    throw index::Error(
        index::ErrorCode::resource_exhausted,
        std::to_string(waiting_.size()) + " calibrations and tunings wait already, try again when one is over");
  const auto fresh = std::make_shared<Entry>();
  fresh->job.id = next_id_++;
  fresh->job.kind = input.kind;
  fresh->job.collection_name = std::move(input.collection_name);
  fresh->work = std::move(input.work);
  entries_.push_back(fresh);
  waiting_.push_back(fresh);
  while (entries_.size() > kMostRemembered + kMostWaiting) {
    const auto oldest =
        std::find_if(entries_.begin(), entries_.end(), [](const auto& e) { return over(e->job.status); });
    if (oldest == entries_.end()) break;
    entries_.erase(oldest);
  }
  if (!worker_.joinable()) worker_ = std::thread([this] { work(); });
  changed_.notify_all();
  return fresh->job.id;
}

void BackgroundJobs::work() {
  while (true) {
    std::shared_ptr<Entry> next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      next = waiting_.front();
      waiting_.pop_front();
      next->job.status = JobStatus::running;
    }
    run(next);
  }
}

void BackgroundJobs::run(const std::shared_ptr<Entry>& entry) {
  const JobProgress progress = [&](const index::CalibrationProgress& at) {
    const std::lock_guard lock(mutex_);
    if (entry->stop) throw Cancelled{};
    entry->job.progress = at;
  };
  try {
    JobReport report = entry->work(progress);
    {
      const std::lock_guard lock(mutex_);
      entry->job.report = std::move(report);
    }
    finish(*entry, JobStatus::done, {});
  } catch (const Cancelled&) {
    finish(*entry, JobStatus::cancelled, {});
  } catch (const std::exception& error) {
    finish(*entry, JobStatus::failed, error.what());
  }
}

// Lets go of what the work owns: a finished job is only remembered.
void BackgroundJobs::finish(Entry& entry, JobStatus status, std::string error) {
  std::function<JobReport(const JobProgress&)> released;
  const std::lock_guard lock(mutex_);
  std::swap(released, entry.work);
  entry.job.status = status;
  entry.job.error = std::move(error);
  changed_.notify_all();
}

std::shared_ptr<BackgroundJobs::Entry> BackgroundJobs::entry(std::uint64_t id) const {
  for (const auto& e : entries_)
    if (e->job.id == id) return e;
  return nullptr;
}

std::optional<Job> BackgroundJobs::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entry(id);
  if (found == nullptr) return std::nullopt;
  return found->job;
}

std::vector<Job> BackgroundJobs::all(JobKind kind, const std::string& collection_name) const {
  const std::lock_guard lock(mutex_);
  std::vector<Job> out;
  for (const auto& e : entries_)
    if (e->job.kind == kind && e->job.collection_name == collection_name)
      out.push_back({e->job.id, kind, collection_name, e->job.status, e->job.progress, e->job.error, {}});
  return out;
}

bool BackgroundJobs::cancel(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = entry(id);
  if (found == nullptr || over(found->job.status)) return false;
  found->stop = true;
  if (found->job.status == JobStatus::queued) {
    std::erase(waiting_, found);
    found->job.status = JobStatus::cancelled;
    changed_.notify_all();
  }
  return true;
}

bool BackgroundJobs::wait(std::uint64_t id) const {
  std::unique_lock lock(mutex_);
  const auto found = entry(id);
  if (found == nullptr) return false;
  changed_.wait(lock, [&] { return over(found->job.status); });
  return true;
}

}  // namespace nestor::server
