// What the thread sanitizer is told when it watches the storage tests. No test of its own.
//
// Debian's RocksDB is not built with the sanitizer, which therefore does not see how it orders its own threads, and
// reports its block reads as races (also the copies it leaves to liblz4 and libstdc++). hnswlib draws levels from one
// unguarded random generator, which only makes parallel builds differ from run to run; its lock order is by design.
// Everything of ours stays watched.
#if defined(__SANITIZE_THREAD__)

// Weak: a definition for all test programs may come later.
extern "C" __attribute__((weak)) const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb\ncalled_from_lib:liblz4\ncalled_from_lib:libstdc++\n"
         "race:rocksdb::\nrace:librocksdb\nrace:hnswlib\n";
}
extern "C" __attribute__((weak)) const char* __tsan_default_options() { return "detect_deadlocks=0"; }

#endif
