#pragma once
// The certificate a server shows.

#include <boost/asio/ssl/context.hpp>

#include "server/tls_files.h"

namespace nestor::server {

// TLS 1.2 and newer. Throws Error invalid_argument: one of the two is missing, unreadable or does not fit the other.
boost::asio::ssl::context make_tls_context(const TlsFiles& files);

}  // namespace nestor::server
