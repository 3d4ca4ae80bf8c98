#pragma once

#include <time.h>

namespace nestor::bench::scan {

// CPU time of this thread: others may be using the machine.
inline double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace nestor::bench::scan
