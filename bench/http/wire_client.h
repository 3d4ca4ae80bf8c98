#pragma once
// One keep-alive connection that sends ready bytes and waits for the whole answer: no client could cost less.

#include <cstdint>
#include <string>

namespace nestor::bench {

class WireClient {
 public:
  // Throws std::runtime_error.
  explicit WireClient(std::uint16_t port);
  ~WireClient();
  WireClient(const WireClient&) = delete;
  WireClient& operator=(const WireClient&) = delete;

  // Sends a whole request and returns when its answer is there; the answer's head and body. Throws unless it is 200.
  const std::string& exchange(const std::string& request);

 private:
  int socket_;
  std::string answer_;
};

}  // namespace nestor::bench
