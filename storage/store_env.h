#pragma once
// The file systems that RocksDB works on.

#include <functional>

namespace rocksdb {
class Env;
}

namespace nestor::storage {

// The machine's, without waiting for the disk over OPTIONS files, which RocksDB writes at every opening and Nestor never
// reads.
rocksdb::Env* store_env();

// For what does not exist yet as far as anybody knows: nothing is synced. Whoever puts it in force syncs all of it first.
rocksdb::Env* draft_env();

// On a thread that all stores share, in the order given. It must end by itself.
void run_in_background(std::function<void()> work);

}  // namespace nestor::storage
