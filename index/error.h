#pragma once
// The one exception type of Nestor. Every room throws it; each door maps its code once
// (HTTP status in server/protocol, exit code in client/cli).

#include <stdexcept>
#include <string>
#include <string_view>

namespace nestor::index {

enum class ErrorCode {
  invalid_argument,    // the caller's input is wrong; the message names the value and the limit
  not_found,           // collection, point or file does not exist
  already_exists,      // creating what exists
  failed_precondition, // right request, wrong moment: e.g. the directory is open in another process
  resource_exhausted,  // a limit was reached: too large, too many, disk full
  permission_denied,   // the file system said no
  data_loss,           // checksum or format mismatch in stored bytes
  unavailable,         // shutting down or temporarily unable
  internal             // our own bug
};

std::string_view to_string(ErrorCode code);

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace nestor::index
