#include "bench/ann/index_cache.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/ann/engine_modules.h"
#include "bench/ann/machine.h"

namespace nestor::bench::ann {
namespace {

// One line that rewrites itself a few times a second; in a log, one line a phase.
class ProgressLine {
 public:
  explicit ProgressLine(std::string name) : name_(std::move(name)) {}
  ~ProgressLine() {
    if (shown_ && terminal_) std::fprintf(stderr, "\n");
  }
  void show(const std::string& phase, std::uint64_t done, std::uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ && done < total) return;
    if (phase == phase_ && done < total && now - last_ < std::chrono::milliseconds(500)) return;
    last_ = now;
    phase_ = phase;
    shown_ = true;
    std::fprintf(stderr, terminal_ ? "\r  %s: %s %llu/%llu, %.0f s   " : "  %s: %s %llu/%llu, %.0f s\n", name_.c_str(),
                 phase.c_str(), static_cast<unsigned long long>(done), static_cast<unsigned long long>(total),
                 std::chrono::duration<double>(now - start_).count());
    std::fflush(stderr);
  }

 private:
  std::string name_, phase_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_;
  bool shown_ = false, terminal_ = isatty(STDERR_FILENO) != 0;
};

std::filesystem::path cost_file(const std::string& path) { return path + ".build.json"; }

void keep_cost(const std::string& path, const BuildCost& cost) {
  const nlohmann::json record = {{"seconds", cost.seconds},
                                 {"ingest_seconds", cost.ingest_seconds},
                                 {"threads", cost.threads},
                                 {"cpu", cpu_model()}};
  std::ofstream(cost_file(path)) << record.dump(2) << '\n';
}

std::optional<BuildCost> kept_cost(const std::string& path) {
  std::ifstream in(cost_file(path));
  const nlohmann::json record = nlohmann::json::parse(in, nullptr, false);
  if (!record.is_object()) return std::nullopt;
  return BuildCost{record.value("seconds", 0.0), record.value("ingest_seconds", 0.0), record.value("threads", 1u)};
}

}  // namespace

ReadyEngine prepare_engine(const EngineRequest& request, const ComparisonData& data) {
  EngineInput input{.rows = data.base_rows(),
                    .distance = data.distance,
                    .exact_in_float16 = data.exact_in_float16,
                    .nested = data.nested,
                    .threads = request.build_threads,
                    .path = {},
                    .progress = {}};
  const bool is_nestor = request.name == "nestor";
  input.path =
      (request.folder / (is_nestor ? NestorEngine(request.nestor).cache_key(input) : request.name + ".index")).string();
  const auto make = [&]() -> std::unique_ptr<Engine> {
    if (is_nestor) return std::make_unique<NestorEngine>(request.nestor);
    return make_peer(request.name);
  };
  ProgressLine line(request.name);
  input.progress = [&](const std::string& phase, std::uint64_t done, std::uint64_t total) {
    line.show(phase, done, total);
  };

  ReadyEngine ready;
  // A kept index whose cost is unknown was not finished.
  std::optional<BuildCost> cost = request.rebuild ? std::nullopt : kept_cost(input.path);
  if (cost) {
    const auto probe = make();
    if (!probe->open(input)) cost = std::nullopt;
  }
  if (!cost) {
    std::filesystem::remove(cost_file(input.path));
    const auto builder = make();
    cost = builder->build(input);
    keep_cost(input.path, *cost);
    ready.built_now = true;
  }
  ready.cost = *cost;

  // Opened as after a restart, also when it was built just now: what the build left in memory is nobody's index.
  const ResidentMemory before = resident_memory();
  const auto start = std::chrono::steady_clock::now();
  ready.engine = make();
  if (!ready.engine->open(input)) ready.engine->build(input);
  std::vector<std::int64_t> ids(10);
  ready.engine->settings(ids.size());
  ready.engine->use(0);
  ready.engine->search(data.queries.data(), ids.size(), ids.data());
  ready.open_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const ResidentMemory after = resident_memory();
  ready.resident_anonymous = static_cast<double>(after.anonymous) - static_cast<double>(before.anonymous);
  ready.resident_file = static_cast<double>(after.file) - static_cast<double>(before.file);
  ready.reported_bytes = ready.engine->reported_bytes();
  return ready;
}

}  // namespace nestor::bench::ann
