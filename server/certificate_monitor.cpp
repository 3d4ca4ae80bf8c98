#include "server/certificate_monitor.h"

#include <exception>
#include <optional>

#include "index/query_loss.h"

namespace nestor::server {
namespace {

// splitmix64: the n-th of a sequence that no caller can steer by the order of its queries.
std::uint64_t mix(std::uint64_t n) {
  n += 0x9E3779B97F4A7C15ull;
  n = (n ^ (n >> 30)) * 0xBF58476D1CE4E5B9ull;
  n = (n ^ (n >> 27)) * 0x94D049BB133111EBull;
  return n ^ (n >> 31);
}

}  // namespace

CertificateMonitor::~CertificateMonitor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

bool CertificateMonitor::drawn() {
  if (!(share_ > 0)) return false;
  const double number = static_cast<double>(mix(draws_.fetch_add(1)) >> 11) * 0x1p-53;
  return number < share_;
}

void CertificateMonitor::saw(const std::shared_ptr<index::Collection>& collection, std::span<const float> query,
                             const index::SearchOptions& options, const index::QueryResult& result) {
  const auto& said = result.certification;
  if (!said || !said->certified || said->certificate == 0 || !options.allowed_slots.empty() || !drawn()) return;
  Shadow shadow{collection, said->certificate, 1 - said->recall, {query.begin(), query.end()}, {}, options.k};
  for (const index::Hit& hit : result.hits) shadow.distances.push_back(hit.distance);
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting || stopping_) return;
  waiting_.push_back(std::move(shadow));
  if (!worker_.joinable()) worker_ = std::thread([this] { work(); });
  changed_.notify_all();
}

void CertificateMonitor::work() {
  while (true) {
    Shadow next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
    }
    try {
      check(next);
    } catch (const std::exception&) {  // a collection that goes away meanwhile; the next query is another chance
    }
    const std::lock_guard lock(mutex_);
    busy_ = false;
    changed_.notify_all();
  }
}

void CertificateMonitor::check(const Shadow& shadow) {
  const auto collection = shadow.collection.lock();
  if (collection == nullptr) return;
  index::SearchOptions exact;
  exact.k = shadow.k;
  exact.exact = true;
  std::vector<float> distances;
  for (const index::Hit& hit : collection->search(shadow.query, exact).hits) distances.push_back(hit.distance);
  const double loss = 1 - index::tied_recall(distances, shadow.distances);
  bool alarm = false;
  {
    const std::lock_guard lock(mutex_);
    ++checked_;
    const auto [found, fresh] =
        monitors_.try_emplace(Key{shadow.collection, shadow.certificate}, index::RiskMonitor(shadow.epsilon));
    const bool before = found->second.alarmed();
    alarm = found->second.observe(loss) && !before;
    alarms_ += alarm;
  }
  if (!alarm) return;
  collection->withdraw_certificate(shadow.certificate,
                                   "the monitor found its promise broken on live queries; calibrate again");
}

std::vector<MonitorState> CertificateMonitor::states(const std::shared_ptr<index::Collection>& collection) const {
  const std::lock_guard lock(mutex_);
  std::vector<MonitorState> out;
  for (const auto& [key, monitor] : monitors_)
    if (!key.collection.owner_before(collection) && !collection.owner_before(key.collection))
      out.push_back({key.certificate, monitor.observed(), monitor.mean_loss(), monitor.wealth(), monitor.alarmed()});
  return out;
}

std::uint64_t CertificateMonitor::checked() const {
  const std::lock_guard lock(mutex_);
  return checked_;
}

std::uint64_t CertificateMonitor::alarms() const {
  const std::lock_guard lock(mutex_);
  return alarms_;
}

void CertificateMonitor::wait_until_idle() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_.empty() && !busy_; });
}

}  // namespace nestor::server
