#pragma once
// The one place where errors become exit codes.

#include "index/error.h"

namespace nestor::client {

inline constexpr int kExitUsage = 2;  // also what the command line parser's own errors give
inline constexpr int kExitOther = 1;

// 2 bad usage or argument, 3 not found, 4 exists already, in use or not possible now,
// 5 no permission or resources, 6 stored bytes are damaged, 1 anything else.
int exit_code(index::ErrorCode code);

}  // namespace nestor::client
