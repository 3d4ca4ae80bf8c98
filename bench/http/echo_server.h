#pragma once
// The floor: an epoll loop that takes as many bytes as a request has and sends as many as its answer has, and does
// nothing in between but what it is given to do.

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

namespace nestor::bench {

class EchoServer {
 public:
  EchoServer();
  ~EchoServer();
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

  std::uint16_t port() const { return port_; }
  // For the requests from now on; call between two of them.
  void prepare(std::size_t request_bytes, std::string answer, std::function<void()> work = {});

 private:
  void run();

  int listener_, epoll_;
  std::uint16_t port_ = 0;
  std::size_t request_bytes_ = 0;
  std::string answer_;
  std::function<void()> work_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace nestor::bench
