#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

// What the thread sanitizer is told in every test program.
//
// Debian's RocksDB is not built with the sanitizer, which therefore does not see how it orders its own threads, and
// reports its block reads as races (also the copies it leaves to liblz4 and libstdc++). hnswlib draws levels from one
// unguarded random generator (ours come from elsewhere, the draw is ignored); its lock order is by design.
// Everything of ours stays watched.
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb\ncalled_from_lib:liblz4\ncalled_from_lib:libstdc++\n"
         "race:rocksdb::\nrace:librocksdb\nrace:hnswlib\n";
}
extern "C" const char* __tsan_default_options() { return "detect_deadlocks=0"; }
#endif
