#include "client/cpp/url.h"

#include <algorithm>

#include "index/error.h"

namespace nestor::client {
namespace {

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw index::Error(index::ErrorCode::invalid_argument,
                     "\"" + text + "\" is no URL of a server, such as http://127.0.0.1:6333: " + why);
}

bool is_port(const std::string& text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string::npos &&
         std::stoul(text) <= 65535 && text != "0";
}

}  // namespace

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + port;
}

Url parse_url(const std::string& text) {
  Url url;
  std::string rest;
  if (text.starts_with("http://"))
    rest = text.substr(7);
  else if (text.starts_with("https://"))
    rest = text.substr(8);
  else
    refuse(text, "it starts with neither http:// nor https://");
  url.https = text.starts_with("https://");
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  url.prefix = rest.substr(slash);
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  std::string authority = rest.substr(0, slash);
  if (authority.find('@') != std::string::npos) refuse(text, "a name and password in it are not used, see api_key");
  if (std::any_of(text.begin(), text.end(),
                  [](unsigned char c) { return c <= ' ' || c >= 0x7F || c == '?' || c == '#'; }))
    refuse(text, "it holds a character that may not stand there");
  url.port = "6333";
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string::npos) refuse(text, "a bracket is not closed");
  const std::size_t colon = authority.find(':', bracket);
  if (colon != std::string::npos) {
    url.port = authority.substr(colon + 1);
    authority.resize(colon);
    if (!is_port(url.port)) refuse(text, "\"" + url.port + "\" is not a port");
  }
  url.host = bracket > 0 ? authority.substr(1, bracket - 1) : authority;
  if (url.host.empty()) refuse(text, "there is no host");
  return url;
}

}  // namespace nestor::client
