#include "server/calibration_jobs.h"

#include <algorithm>
#include <exception>

#include "index/error.h"

namespace nestor::server {
namespace {

struct Cancelled {};

bool over(JobStatus status) { return status != JobStatus::queued && status != JobStatus::running; }

}  // namespace

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

CalibrationJobs::~CalibrationJobs() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& e : entries_) e->stop = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

std::uint64_t CalibrationJobs::start(CalibrationInput input) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting)
    throw index::Error(index::ErrorCode::resource_exhausted,
                       std::to_string(waiting_.size()) + " calibrations wait already, try again when one is over");
  const auto fresh = std::make_shared<Entry>();
  fresh->job.id = next_id_++;
  fresh->job.collection_name = input.collection_name;
  fresh->input = std::move(input);
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

void CalibrationJobs::work() {
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

void CalibrationJobs::run(const std::shared_ptr<Entry>& entry) {
  CalibrationInput& input = entry->input;
  index::CalibrationRequest request = input.request;
  request.queries = input.queries;
  request.allowed_slots = input.allowed_slots;
  request.allowed_numbering = input.allowed_slots.numbering;
  request.progress = [&](const index::CalibrationProgress& progress) {
    const std::lock_guard lock(mutex_);
    if (entry->stop) throw Cancelled{};
    entry->job.progress = progress;
  };
  try {
    index::CalibrationReport report = index::calibrate(*input.collection, request);
    std::vector<index::Certificate> fresh;
    for (const auto& outcome : report.outcomes)
      if (outcome.certificate) fresh.push_back(*outcome.certificate);
    if (!fresh.empty()) {
      const auto kept = input.collection->keep_certificates(std::move(fresh));
      std::size_t next = 0;
      for (auto& outcome : report.outcomes)
        if (outcome.certificate) outcome.certificate = kept[next++];
    }
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

// Lets go of the collection and the queries: a finished job is only remembered.
void CalibrationJobs::finish(Entry& entry, JobStatus status, std::string error) {
  CalibrationInput released;
  const std::lock_guard lock(mutex_);
  std::swap(released, entry.input);
  entry.job.status = status;
  entry.job.error = std::move(error);
  changed_.notify_all();
}

std::shared_ptr<CalibrationJobs::Entry> CalibrationJobs::entry(std::uint64_t id) const {
  for (const auto& e : entries_)
    if (e->job.id == id) return e;
  return nullptr;
}

std::optional<CalibrationJob> CalibrationJobs::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entry(id);
  if (found == nullptr) return std::nullopt;
  return found->job;
}

std::vector<CalibrationJob> CalibrationJobs::all(const std::string& collection_name) const {
  const std::lock_guard lock(mutex_);
  std::vector<CalibrationJob> out;
  for (const auto& e : entries_)
    if (e->job.collection_name == collection_name)
      out.push_back({e->job.id, e->job.collection_name, e->job.status, e->job.progress, e->job.error, {}});
  return out;
}

bool CalibrationJobs::cancel(std::uint64_t id) {
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

bool CalibrationJobs::wait(std::uint64_t id) const {
  std::unique_lock lock(mutex_);
  const auto found = entry(id);
  if (found == nullptr) return false;
  changed_.wait(lock, [&] { return over(found->job.status); });
  return true;
}

}  // namespace nestor::server
