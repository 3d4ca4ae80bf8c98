#pragma once
// One thread with its sockets. A connection lives on one loop from beginning to end, so that nothing in it
// needs a lock or a strand; one timer per loop watches all deadlines, none is armed per operation.

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <thread>
#include <unordered_set>

#include "server/access_log.h"
#include "server/api.h"
#include "server/connection.h"
#include "server/limits.h"
#include "server/tls.h"
#include "server/worker_pool.h"

namespace nestor::server {

using LoopTimer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                    boost::asio::wait_traits<std::chrono::steady_clock>, LoopExecutor>;
using TimePoint = std::chrono::steady_clock::time_point;

class Session;

// What all loops share.
struct Workshop {
  Workshop(Api& all_api, const ConnectionLimits& connection_limits, WorkerPool& reading, WorkerPool& writing)
      : api(all_api), limits(connection_limits), readers(reading), writers(writing) {}

  Api& api;
  const ConnectionLimits& limits;
  WorkerPool& readers;
  WorkerPool& writers;
  SharedTls tls;
  AccessSink access_log;  // empty: none
  std::atomic<std::size_t> connections{0};
};

class SessionLoop {
 public:
  explicit SessionLoop(Workshop& workshop);
  ~SessionLoop();
  SessionLoop(const SessionLoop&) = delete;
  SessionLoop& operator=(const SessionLoop&) = delete;

  void start();
  void join();
  // From any thread. Draining ends the thread when the last connection is gone.
  void adopt(LoopSocket socket);
  void drain();
  void cut();

  boost::asio::io_context& context() { return context_; }
  Workshop& workshop() { return workshop_; }
  bool draining() const { return draining_; }  // on the loop's thread

  // For sessions, on the loop's thread.
  void enter(Session* session);
  void leave(Session* session);

 private:
  bool evict_idle();
  bool evict_spare();
  bool evict(Session* victim);
  void arm_timer();
  void sweep();
  void cut_all();
  void finish_if_empty();

  Workshop& workshop_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<LoopExecutor> work_;
  LoopTimer timer_;
  std::chrono::milliseconds sweep_interval_;
  std::unordered_set<Session*> sessions_;
  bool draining_ = false;
  TimePoint drain_deadline_ = TimePoint::max();
  std::thread thread_;
};

}  // namespace nestor::server
