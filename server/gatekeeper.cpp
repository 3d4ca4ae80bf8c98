#include "server/gatekeeper.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "server/protocol.h"
#include "server/router.h"

namespace nestor::server {
namespace {

constexpr std::string_view kNoKey = "Must provide an API key or an Authorization bearer token";
constexpr std::string_view kWrongKey = "Invalid API key or JWT";

std::array<std::uint8_t, 32> digest(std::string_view text) {
  std::array<std::uint8_t, 32> out;
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return out;
}

template <typename Digest>
bool same(const std::optional<Digest>& key, const Digest& given) {
  return key && ::CRYPTO_memcmp(key->data(), given.data(), given.size()) == 0;
}

Response unauthorized(std::string_view message) {
  Response response;
  response.status = 401;
  response.content_type = "text/plain; charset=utf-8";
  response.body = message;
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size() || !same_header_name(authorization.substr(0, kScheme.size()), kScheme))
    return {};
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

// "http://localhost:6333" against Host "localhost:6333": a page that the server's own address has served.
bool is_own(std::string_view origin, std::string_view host) {
  const std::size_t scheme = origin.find("://");
  return scheme != std::string_view::npos && !host.empty() && same_header_name(origin.substr(scheme + 3), host);
}

}  // namespace

Gatekeeper::Gatekeeper(AccessPolicy policy) : policy_(std::move(policy)) {
  if (!policy_.api_key.empty()) read_write_ = digest(policy_.api_key);
  if (!policy_.read_only_api_key.empty()) read_only_ = digest(policy_.read_only_api_key);
}

Gatekeeper::Key Gatekeeper::key_of(const Request& head) const {
  std::string_view given = head.header("api-key");
  if (given.empty()) given = bearer_token(head.header("Authorization"));
  if (given.empty()) return Key::missing;
  const Digest hashed = digest(given);
  const bool writes = same(read_write_, hashed), reads = same(read_only_, hashed);  // both, always
  return writes ? Key::read_write : reads ? Key::read_only : Key::wrong;
}

std::string_view Gatekeeper::allowed_origin(std::string_view origin) const {
  for (const std::string& one : policy_.cors_origins)
    if (one == "*" || same_header_name(one, origin)) return one;
  return {};
}

Response Gatekeeper::preflight(std::string_view allowed) const {
  Response response;
  response.status = 204;
  response.content_type.clear();
  response.headers = {{"Access-Control-Allow-Origin", std::string(allowed)},
                      {"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE"},
                      {"Access-Control-Allow-Headers", "api-key, Authorization, Content-Type, Accept, X-Request-Id"},
                      {"Access-Control-Max-Age", "3600"}};
  if (allowed != "*") response.headers.emplace_back("Vary", "Origin");
  return response;
}

std::optional<Response> Gatekeeper::stop(const RouteMatch& match, const Request& head) const {
  const Access needed = match.access();
  if (const std::string_view origin = head.header("Origin"); !origin.empty()) {
    const std::string_view allowed = allowed_origin(origin);
    // A preflight comes without a key.
    if (!allowed.empty() && head.method == "OPTIONS" && !head.header("Access-Control-Request-Method").empty())
      return preflight(allowed);
    // Browsers send a POST of plain text without asking first, so that not being able to read the answer is no
    // protection against a page that deletes.
    if (allowed.empty() && needed != Access::open && !is_own(origin, head.header("Host")))
      return error_response(HttpError(403, "Forbidden: pages of origin `" + std::string(origin.substr(0, 200)) +
                                               "` may not call this server (setting cors.origins)"),
                            0);
  }
  if (!policy_.has_key() || needed == Access::open) return std::nullopt;
  switch (key_of(head)) {
    case Key::missing: return unauthorized(kNoKey);
    case Key::wrong: return unauthorized(kWrongKey);
    case Key::read_write: return std::nullopt;
    case Key::read_only: break;
  }
  if (needed == Access::read) return std::nullopt;
  return error_response(HttpError(403, "Forbidden: the read-only key does not allow " + std::string(head.method) +
                                           " here, it takes the read-write key"),
                        0);
}

void Gatekeeper::decorate(const Request& head, Response& response) const {
  if (policy_.cors_origins.empty()) return;
  const std::string_view allowed = allowed_origin(head.header("Origin"));
  if (allowed.empty()) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", allowed);
  response.headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  if (allowed != "*") response.headers.emplace_back("Vary", "Origin");
}

}  // namespace nestor::server
