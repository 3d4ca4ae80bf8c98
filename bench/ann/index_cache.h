#pragma once
// Built indexes, kept in the work directory with what building them cost.

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench/ann/comparison_data.h"
#include "bench/ann/engine.h"
#include "bench/ann/nestor_engine.h"

namespace nestor::bench::ann {

struct EngineRequest {
  std::string name;              // "nestor" or a peer's
  std::filesystem::path folder;  // of this data set's caches
  unsigned build_threads = 1;
  bool rebuild = false;
  NestorSetup nestor;
};

// An engine that is ready to search, and what it took to get there.
struct ReadyEngine {
  std::unique_ptr<Engine> engine;
  BuildCost cost;           // of the build, perhaps in an earlier run
  bool built_now = false;   // false: an earlier run did
  double open_seconds = 0;  // opening the index, its file cached by the system, and answering one query
  std::uint64_t reported_bytes = 0;
  double resident_anonymous = 0, resident_file = 0;  // growth of this process's memory, bytes
};

// Opens what an earlier run kept, or builds and keeps it. Progress goes to stderr. The data must outlive the engine.
ReadyEngine prepare_engine(const EngineRequest& request, const ComparisonData& data);

}  // namespace nestor::bench::ann
