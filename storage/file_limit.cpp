#include "storage/file_limit.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <limits>
#include <system_error>

namespace nestor::storage {
namespace {

std::size_t count_open_files() {
  struct stat status {};
  // Since Linux 6.2 the directory's size is the number.
  if (::stat("/proc/self/fd", &status) == 0 && status.st_size > 0) return static_cast<std::size_t>(status.st_size);
  std::size_t count = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end; !error && entry != end;
       entry.increment(error))
    ++count;
  return count;
}

}  // namespace

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

FileUse file_use() {
  rlimit limit{};
  const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return {known ? static_cast<std::size_t>(limit.rlim_cur) : std::numeric_limits<std::size_t>::max() / 2,
          count_open_files()};
}

std::string FileBudget::shortage() const {
  return "this process may hold " + std::to_string(limit_) + " files open, enough for " +
         std::to_string(collections()) + " collections (raise the limit with ulimit -n, or LimitNOFILE of systemd)";
}

}  // namespace nestor::storage
