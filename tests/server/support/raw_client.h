#pragma once
// A client that sends exactly the bytes it is told to, and reads what comes back.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace nestor::server::testing {

struct RawReply {
  int status = 0;
  std::string head;  // start line and headers
  std::string body;

  bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

class RawClient {
 public:
  // Throws when the connection is refused.
  explicit RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval patience{20, 0};  // a test that would hang fails instead
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return;
    ::close(socket_);
    throw std::runtime_error("connection refused");
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server closed; what it said can still be read
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void request(std::string_view method, std::string_view target, std::string_view body = "",
               std::string_view more_headers = "") {
    std::string text(method);
    text.append(" ").append(target).append(" HTTP/1.1\r\nHost: test\r\n").append(more_headers);
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send(text + "\r\n" + std::string(body));
  }
  int descriptor() const { return socket_; }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }

  // nullopt: the connection ended before a whole answer came. with_body false: the answer to HEAD.
  std::optional<RawReply> reply(bool with_body = true) {
    std::size_t end = std::string::npos;
    while ((end = pending_.find("\r\n\r\n")) == std::string::npos)
      if (!receive()) return std::nullopt;
    RawReply reply;
    reply.head = pending_.substr(0, end + 2);
    pending_.erase(0, end + 4);
    reply.status = std::stoi(reply.head.substr(9, 3));
    const std::size_t at = reply.head.find("Content-Length: ");
    const std::size_t length = at == std::string::npos || !with_body ? 0 : std::stoul(reply.head.substr(at + 16));
    while (pending_.size() < length)
      if (!receive()) return std::nullopt;
    reply.body = pending_.substr(0, length);
    pending_.erase(0, length);
    return reply;
  }
  // Waits for the server to close; false when it sent something instead.
  bool closed() { return pending_.empty() && !receive(); }

 private:
  bool receive() {
    char chunk[4096];
    const ssize_t got = ::recv(socket_, chunk, sizeof chunk, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) throw std::runtime_error("the server is silent");
    if (got <= 0) return false;
    pending_.append(chunk, static_cast<std::size_t>(got));
    return true;
  }

  int socket_;
  std::string pending_;
};

}  // namespace nestor::server::testing
