#pragma once
// Where the certificate a server shows lies.

#include <string>

namespace nestor::server {

struct TlsFiles {
  std::string certificate;  // PEM, the server's own first, then those that lead to a known authority
  std::string key;          // PEM, not encrypted

  bool wanted() const { return !certificate.empty() || !key.empty(); }
};

}  // namespace nestor::server
