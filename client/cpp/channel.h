#pragma once
// Requests to one server: connections that are used again, deadlines, repetition, errors.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "client/cpp/remote_database.h"

namespace nestor::client {

// Whether a call may be sent again when nobody knows what became of it.
enum class Repeat { never, allowed };

struct RemoteRequest {
  std::string_view method;
  std::string target;  // behind the URL's prefix
  std::string body;    // JSON text, or empty
  Repeat repeat = Repeat::allowed;
};

// Thread-safe.
class Channel {
 public:
  explicit Channel(RemoteOptions options);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // What stands in `result`. Throws Error.
  nlohmann::json call(const RemoteRequest& request);
  const RemoteOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One segment of a path: everything but letters, digits and "-._~" as %XX.
std::string percent_encode(std::string_view text);

}  // namespace nestor::client
