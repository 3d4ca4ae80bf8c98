#include "client/cli/exit_code.h"

namespace nestor::client {

int exit_code(index::ErrorCode code) {
  using index::ErrorCode;
  switch (code) {
    case ErrorCode::invalid_argument:
      return kExitUsage;
    case ErrorCode::not_found:
      return 3;
    case ErrorCode::already_exists:
    case ErrorCode::failed_precondition:
      return 4;
    case ErrorCode::permission_denied:
    case ErrorCode::resource_exhausted:
      return 5;
    case ErrorCode::data_loss:
      return 6;
    case ErrorCode::unavailable:
    case ErrorCode::internal:
      return kExitOther;
  }
  return kExitOther;
}

}  // namespace nestor::client
