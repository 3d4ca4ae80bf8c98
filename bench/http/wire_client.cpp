#include "bench/http/wire_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace nestor::bench {

WireClient::WireClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot connect to port " + std::to_string(port));
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

WireClient::~WireClient() { ::close(socket_); }

const std::string& WireClient::exchange(const std::string& request) {
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t done = ::send(socket_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (done <= 0) throw std::runtime_error("the server closed the connection");
    sent += static_cast<std::size_t>(done);
  }
  answer_.clear();
  std::size_t wanted = 0;
  char chunk[16384];
  while (wanted == 0 || answer_.size() < wanted) {
    const ssize_t got = ::recv(socket_, chunk, sizeof chunk, 0);
    if (got <= 0) throw std::runtime_error("the server closed the connection");
    answer_.append(chunk, static_cast<std::size_t>(got));
    const std::size_t end = wanted ? 0 : answer_.find("\r\n\r\n");
    if (wanted || end == std::string::npos) continue;
    const std::size_t length = answer_.find("Content-Length: ");
    wanted = end + 4 + (length == std::string::npos ? 0 : std::strtoul(answer_.c_str() + length + 16, nullptr, 10));
  }
  if (answer_.compare(9, 3, "200") != 0) throw std::runtime_error("the server answered " + answer_.substr(0, 400));
  return answer_;
}

}  // namespace nestor::bench
