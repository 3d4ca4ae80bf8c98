#pragma once
// The one place where errors become exit codes.

#include <stdexcept>

#include "index/error.h"

namespace nestor::client {

inline constexpr int kExitUsage = 2;  // also what the command line parser's own errors give
inline constexpr int kExitOther = 1;
inline constexpr int kExitMissed = 7;

// The command ran to its end and has printed its report, but what was asked for is out of reach.
class Missed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// 2 bad usage or argument, 3 not found, 4 exists already, in use or not possible now,
// 5 no permission or resources, 6 stored bytes are damaged, 1 anything else. 7 (kExitMissed) is no error's.
int exit_code(index::ErrorCode code);

}  // namespace nestor::client
