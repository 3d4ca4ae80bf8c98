#pragma once
// The certificate a server shows.

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <mutex>
#include <utility>

#include "server/tls_files.h"

namespace nestor::server {

// TLS 1.2 and newer. Throws Error invalid_argument: one of the two is missing, unreadable or does not fit the other.
boost::asio::ssl::context make_tls_context(const TlsFiles& files);

// The one that new connections get. Thread-safe; a connection keeps the one that it began with.
class SharedTls {
 public:
  using Pointer = std::shared_ptr<boost::asio::ssl::context>;

  Pointer get() const {
    const std::lock_guard lock(mutex_);
    return context_;
  }
  void set(Pointer context) {
    const std::lock_guard lock(mutex_);
    context_.swap(context);
  }

 private:
  mutable std::mutex mutex_;
  Pointer context_;  // null: plain HTTP
};

}  // namespace nestor::server
