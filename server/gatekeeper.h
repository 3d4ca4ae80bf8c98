#pragma once
// Who may ask for what: API keys, and web pages of other origins.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/message.h"

namespace nestor::server {

struct RouteMatch;

// What a route asks of its caller. With no key configured everybody may do everything.
enum class Access {
  open,   // version and health: no key
  read,   // either key
  write,  // the read-write key
};

struct AccessPolicy {
  std::string api_key;            // read and write; empty: none
  std::string read_only_api_key;  // empty: none
  // Origins whose pages may call, "https://app.example"; "*": all. Empty: only pages of the server's own address.
  // Pages may not call by default: without a key, any page in a browser on the same machine could read and write.
  std::vector<std::string> cors_origins;

  bool has_key() const { return !api_key.empty() || !read_only_api_key.empty(); }
};

// Thread-safe. Keys are compared by their SHA-256 in constant time, so that neither length nor content leaks.
class Gatekeeper {
 public:
  explicit Gatekeeper(AccessPolicy policy);

  // The answer to a request that goes no further: 401 (text, as clients of the dialect expect), 403, or a preflight's
  // 204. Needs the head of the request only.
  std::optional<Response> stop(const RouteMatch& match, const Request& head) const;
  // Headers that let a page of an allowed origin read the answer.
  void decorate(const Request& head, Response& response) const;

 private:
  using Digest = std::array<std::uint8_t, 32>;
  enum class Key { missing, wrong, read_only, read_write };

  Key key_of(const Request& head) const;
  std::string_view allowed_origin(std::string_view origin) const;  // empty: not allowed
  Response preflight(std::string_view allowed) const;

  AccessPolicy policy_;
  std::optional<Digest> read_write_, read_only_;
};

}  // namespace nestor::server
