#pragma once
// One thread with its sockets. A connection lives on one loop from beginning to end, so that nothing in it
// needs a lock or a strand; one timer per loop watches all deadlines, none is armed per operation.

#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <thread>
#include <unordered_set>

#include "server/api.h"
#include "server/limits.h"
#include "server/worker_pool.h"

namespace nestor::server {

// The concrete executor: any_io_executor costs an allocation and a virtual call per operation.
using LoopExecutor = boost::asio::io_context::executor_type;
using LoopSocket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, LoopExecutor>;
using LoopTimer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                    boost::asio::wait_traits<std::chrono::steady_clock>, LoopExecutor>;
using TimePoint = std::chrono::steady_clock::time_point;

class Session;

// What all loops share.
struct Workshop {
  Api& api;
  const ConnectionLimits& limits;
  WorkerPool& readers;
  WorkerPool& writers;
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
