#pragma once
// What the benchmark asks of every engine, Nestor and peers alike. Engines of other libraries live in modules
// (peer_*.cpp) that are opened with dlopen, so this header stays free of anything but the standard library.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace nestor::bench::ann {

// euclidean: squared L2. angular: the rows and queries handed out are unit vectors, 1 - dot ranks them. dot: minus the
// dot product of rows of any length.
enum class Distance { euclidean, angular, dot };
inline const char* name_of(Distance distance) {
  return distance == Distance::euclidean ? "euclidean" : distance == Distance::angular ? "angular" : "dot";
}

struct Rows {
  const float* values = nullptr;  // [count x dim], row-major
  std::size_t count = 0;
  std::size_t dim = 0;

  const float* row(std::size_t i) const { return values + i * dim; }
};

struct EngineInput {
  Rows rows;  // valid while the engine lives
  Distance distance = Distance::euclidean;
  bool exact_in_float16 = false;  // every value is a float16
  bool nested = true;             // prefixes are embeddings of their own; false: Nestor learns a rotation
  unsigned threads = 1;           // for building
  std::string path;               // file or directory that keeps the built index
  std::function<void(const std::string& phase, std::uint64_t done, std::uint64_t total)> progress;
};

// One point of an engine's parameter grid.
struct Setting {
  std::string label;     // "ef 40"
  bool on_curve = true;  // false: reported as a point of its own, neither tuned nor part of the curve
};

// Vector data one query reads, on average. Codes and floats apart: a byte of code costs one byte of memory traffic
// and an 8-bit multiply, a float four of each.
struct Work {
  bool known = false;
  double evaluations = 0;          // distances computed, of any kind
  double coordinates = 0;          // multiply-adds over stored rows
  double code_bytes = 0;           // of quantised rows
  double float_bytes = 0;          // of float32 and float16 rows
  double query_multiply_adds = 0;  // transforming the query itself: a rotation, a look-up table
};

struct BuildCost {
  double seconds = 0;         // from rows in memory to a searchable index
  double ingest_seconds = 0;  // storing the rows durably first, where an engine does that
  unsigned threads = 1;
};

// Not thread-safe but for search(), which may run from several threads after use().
class Engine {
 public:
  virtual ~Engine() = default;

  virtual std::string name() const = 0;
  // Version, construction parameters, how it was compiled: printed with the results.
  virtual std::string description() const = 0;

  // Opens what build() kept at input.path; false when there is nothing usable.
  virtual bool open(const EngineInput& input) = 0;
  virtual BuildCost build(const EngineInput& input) = 0;

  // Bytes the engine itself reports, rows included, and the share of them that must be in memory to walk.
  virtual std::uint64_t reported_bytes() const = 0;
  virtual std::string bytes_by_part() const { return {}; }

  // The grid for k neighbours. use() chooses one of it, by position, for the searches that follow.
  virtual std::vector<Setting> settings(std::size_t k) = 0;
  virtual void use(std::size_t setting) = 0;

  // Writes the k nearest rows' numbers, nearest first, -1 where fewer were found.
  virtual void search(const float* query, std::size_t k, std::int64_t* ids) = 0;
  // The engine's own way of answering a batch with `threads` threads.
  virtual void search_batch(const Rows& queries, std::size_t k, unsigned threads, std::int64_t* ids) = 0;

  // An untimed pass that counts.
  virtual Work count_work(const Rows& queries, std::size_t k) = 0;
};

// What a module exports, with C names so that dlsym finds them.
using ListEnginesFunction = const char* const* (*)();      // null-terminated names
using MakeEngineFunction = Engine* (*)(const char* name);  // null: not one of ours
inline constexpr const char* kListEnginesSymbol = "nestor_bench_list_engines";
inline constexpr const char* kMakeEngineSymbol = "nestor_bench_make_engine";

}  // namespace nestor::bench::ann
