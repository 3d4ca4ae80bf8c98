#pragma once
// Watches certified answers while they are served: a random share of the queries is searched again, exactly, in the
// background, and a certificate whose promise turns out broken is withdrawn (risk_monitor.h).

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "index/collection.h"
#include "index/risk_monitor.h"

namespace nestor::server {

struct MonitorState {
  std::uint64_t certificate = 0;
  std::uint64_t checked = 0;
  double mean_loss = 0;
  double wealth = 1;  // the alarm is at 100
  bool alarmed = false;
};

// Thread-safe. Destroying it drops what waits.
class CertificateMonitor {
 public:
  CertificateMonitor() = default;
  ~CertificateMonitor();
  CertificateMonitor(const CertificateMonitor&) = delete;
  CertificateMonitor& operator=(const CertificateMonitor&) = delete;

  // 0: watch nothing, 1: every certified query. Before the first query.
  void set_share(double share) { share_ = share; }

  // After an answer: draws whether to check it; then copies query and distances and returns. Without a filter alone.
  // When kMostWaiting wait already, the query is passed over: watching never slows the answers down. `query` has the
  // collection's dim.
  void saw(const std::shared_ptr<index::Collection>& collection, std::span<const float> query,
           const index::SearchOptions& options, const index::QueryResult& result);

  std::vector<MonitorState> states(const std::shared_ptr<index::Collection>& collection) const;
  std::uint64_t checked() const;  // queries, of all collections
  std::uint64_t alarms() const;
  void wait_until_idle() const;  // for tests

  static constexpr std::size_t kMostWaiting = 64;

 private:
  struct Shadow {
    std::weak_ptr<index::Collection> collection;
    std::uint64_t certificate = 0;
    double epsilon = 0;
    std::vector<float> query, distances;
    std::uint32_t k = 0;
  };
  // By owner, not by address: a collection made later may stand where a dropped one stood.
  struct Key {
    std::weak_ptr<index::Collection> collection;
    std::uint64_t certificate;
    bool operator<(const Key& other) const {
      if (collection.owner_before(other.collection)) return true;
      return !other.collection.owner_before(collection) && certificate < other.certificate;
    }
  };

  bool drawn();
  void work();
  void check(const Shadow& shadow);

  double share_ = 0;
  std::atomic<std::uint64_t> draws_{0};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Shadow> waiting_;
  std::map<Key, index::RiskMonitor> monitors_;
  std::uint64_t checked_ = 0, alarms_ = 0;
  bool busy_ = false, stopping_ = false;
  std::thread worker_;  // started by the first query drawn
};

}  // namespace nestor::server
