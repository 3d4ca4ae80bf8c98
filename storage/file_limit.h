#pragma once
// How many files this process may hold open, and how many it does. Each collection takes some for good.

#include <algorithm>
#include <cstddef>
#include <string>

namespace nestor::storage {

// The soft limit becomes the hard one, which the administrator sets. Thread-safe.
void raise_file_limit();

struct FileUse {
  std::size_t limit = 0;
  std::size_t open = 0;
};
// What cannot be found out counts as no limit.
FileUse file_use();

// How many files collections may take together, and whether there is room for one more. What is left is for
// connections, builds, snapshots and whatever else the process does.
class FileBudget {
 public:
  // Of a collection at rest: three of RocksDB's own, two logs, three directories, and a sorted file for each of seven
  // column families.
  static constexpr std::size_t kFilesOfCollection = 15;

  explicit FileBudget(std::size_t limit) : limit_(limit), reserve_(std::min(limit / 4, kMostReserved)) {}

  std::size_t limit() const { return limit_; }
  // That many can be open at once, now and after any restart.
  std::size_t collections() const { return (limit_ - reserve_) / kFilesOfCollection; }
  std::string shortage() const;  // why there is no room, for messages
  // How many more are sure to fit beside `open` files.
  std::size_t room_for(std::size_t open) const {
    const std::size_t taken = open + reserve_ / 2;
    return taken >= limit_ ? 0 : (limit_ - taken) / kFilesOfCollection;
  }

 private:
  static constexpr std::size_t kMostReserved = 1200;
  std::size_t limit_, reserve_;
};

}  // namespace nestor::storage
