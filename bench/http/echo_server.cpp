#include "bench/http/echo_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace nestor::bench {

EchoServer::EchoServer() : listener_(::socket(AF_INET, SOCK_STREAM, 0)), epoll_(::epoll_create1(0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ::bind(listener_, reinterpret_cast<sockaddr*>(&address), length);
  ::listen(listener_, 8);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

EchoServer::~EchoServer() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  ::close(epoll_);
}

// The client sends its next request after this, and its answer's arrival came before: the kernel orders the two.
void EchoServer::prepare(std::size_t request_bytes, std::string answer, std::function<void()> work) {
  request_bytes_ = request_bytes;
  answer_ = std::move(answer);
  work_ = std::move(work);
}

void EchoServer::run() {
  const int client = ::accept(listener_, nullptr, nullptr);
  if (client < 0) return;
  const int on = 1;
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client, &event);
  std::vector<char> buffer(64 << 10);
  for (std::size_t received = 0; !stopping_;) {
    if (::epoll_wait(epoll_, &event, 1, 200) <= 0) continue;
    const ssize_t got = ::recv(client, buffer.data(), buffer.size(), 0);
    if (got <= 0) break;
    received += static_cast<std::size_t>(got);
    if (received < request_bytes_) continue;
    received = 0;
    if (work_) work_();
    if (::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL) <= 0) break;
  }
  ::close(client);
}

}  // namespace nestor::bench
