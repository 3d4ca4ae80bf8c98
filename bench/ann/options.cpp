#include "bench/ann/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "bench/ann/engine_modules.h"
#include "index/parallel.h"

namespace nestor::bench::ann {
namespace {

constexpr const char* kPurpose =
    "Compares Nestor with the libraries a user would pick instead, at equal recall.\n\n"
    "All engines take turns in one process. Some of the queries choose each engine's settings from its grid, the "
    "others\n"
    "are measured, round after round; speeds are compared within a round. Indexes are built once and kept in "
    "--work.\n\n"
    "  nestor_bench_ann --data knnlm-dickens\n"
    "  nestor_bench_ann --data synthetic:200000:768 --engines nestor,hnswlib --pin 1\n"
    "  nestor_bench_ann --data mnist-784 --k 100 --threads all\n"
    "  nestor_bench_ann --data debian-lsa --rotation pca --engines nestor,hnswlib\n"
    "  nestor_bench_ann --data kind:near_duplicates:50000 --metric cosine --engines nestor,hnswlib\n"
    "  nestor_bench_ann --data glove-100-angular.hdf5 --out glove\n"
    "  nestor_bench_ann --scaling 20000,60000,200000,1000000 --dim 128 --engines nestor,hnswlib\n";

std::vector<std::string> all_engines() {
  std::vector<std::string> names = {"nestor"};
  for (const std::string& peer : peer_names()) names.push_back(peer);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

unsigned parse_threads(const std::string& text) {
  if (text == "all") return index::thread_count(0);
  const int count = std::atoi(text.c_str());
  if (count < 1 || count > 1024)
    throw CLI::ValidationError("threads", "'" + text + "' is neither a number from 1 on nor 'all'");
  return static_cast<unsigned>(count);
}

}  // namespace

Options parse_options(int argc, char** argv) {
  CLI::App app(kPurpose, "nestor_bench_ann");
  app.get_formatter()->column_width(36);
  app.option_defaults()->always_capture_default();
  Options options;
  options.data.set = "synthetic:200000:768";
  options.data.shared = std::filesystem::path(NESTOR_SOURCE_DIR) / ".." / "shared";
  options.engines = all_engines();
  options.work = "bench-work";
  std::string threads = "1", build_threads = "all", scalar = "auto", rotation = "auto", resident = "codes",
              walk_codes = "auto", metric = "auto";
  std::vector<std::string> rebuild;

  app.add_option("--data", options.data.set, data_set_forms())->group("Data");
  app.add_option("--metric", metric, "l2, cosine or dot instead of what the set is meant for, for all engines")
      ->check(CLI::IsMember({"auto", "l2", "cosine", "dot"}))
      ->group("Data");
  app.add_option("--shared", options.data.shared, "directory that holds data/")->group("Data");
  app.add_option("--rows", options.data.max_rows, "use the first so many rows; 0: all")->group("Data");
  app.add_option("--tune-queries", options.data.tune_queries, "queries that choose the settings")->group("Data");
  app.add_option("--queries", options.data.test_queries, "queries that are measured, disjoint from those")
      ->group("Data");
  app.add_option("--seed", options.data.seed,
                 "of synthetic and generated rows, of the choice of queries and of the order of a round")
      ->group("Data");

  app.add_option("--engines", options.engines, "which ones, by commas: " + joined(all_engines()))
      ->delimiter(',')
      ->check(CLI::IsMember(all_engines()))
      ->group("Engines");
  app.add_option("--work", options.work, "directory that keeps indexes and exact neighbours from run to run")
      ->group("Engines");
  app.add_option("--rebuild", rebuild, "build these engines' indexes anew")
      ->delimiter(',')
      ->check(CLI::IsMember(all_engines()))
      ->group("Engines");
  app.add_option("--build-threads", build_threads, "threads that build, a number or 'all'")->group("Engines");

  app.add_option("--k", options.plan.k, "neighbours per query: 10, 100, 1024, ...")
      ->check(CLI::Range(1, 4096))
      ->group("Measuring");
  app.add_option("--mass", options.plan.temperature,
                 "judge answers by their share of the softmax mass exp(-d / T) of the k nearest at this temperature, "
                 "instead of recall; for squared L2")
      ->check(CLI::Range(1e-6, 1e6))
      ->group("Measuring");
  app.add_option("--rounds", options.plan.rounds, "interleaved rounds over all engines and settings")
      ->check(CLI::Range(1, 1000))
      ->group("Measuring");
  app.add_option("--tune-rounds", options.tune_rounds, "rounds over the whole grids, on the tuning queries")
      ->check(CLI::Range(1, 1000))
      ->group("Measuring");
  app.add_option("--settings", options.most_settings, "settings of an engine that go from tuning to measuring")
      ->check(CLI::Range(2, 1000))
      ->group("Measuring");
  app.add_option("--threads", threads,
                 "1: one query at a time; a number or 'all': batches on that many threads as well")
      ->group("Measuring");
  app.add_option("--pin", options.plan.pin, "core that single searches run on; -1: any")->group("Measuring");
  app.add_option("--slice-seconds", options.plan.slice_seconds, "a pass that would take longer is cut to fewer queries")
      ->group("Measuring");
  app.add_option("--out", options.out, "directory for CSV, JSON, the SVG plot and ann-benchmarks' result files");

  app.add_option("--widths", options.nestor.widths, "widths of the collection, by commas; none: its default")
      ->delimiter(',')
      ->group("Nestor");
  app.add_option("--graphs", options.nestor.graphs, "widths that get a graph; none: the default")
      ->delimiter(',')
      ->group("Nestor");
  app.add_option("--resident", resident,
                 "what of Nestor's index is copied to memory: codes, or walk: only what walks read")
      ->check(CLI::IsMember({"codes", "walk"}));
  app.add_option("--walk-codes", walk_codes, "what walks compare: whole codes, leading bits, or what is measured good")
      ->check(CLI::IsMember({"auto", "whole", "leading"}))
      ->group("Nestor");
  app.add_option("--max-links", options.nestor.graph.max_links, "M of Nestor's graphs")->group("Nestor");
  app.add_option("--ef-construction", options.nestor.graph.candidates_at_build,
                 "candidates at build of Nestor's graphs")
      ->group("Nestor");
  app.add_option("--scalar", scalar, "stored rows; auto: float16 where the data is exact in it")
      ->check(CLI::IsMember({"auto", "float32", "float16"}))
      ->group("Nestor");
  app.add_option("--rotation", rotation, "auto: pca for data that is not nested (mnist-784, HDF5 files)")
      ->check(CLI::IsMember({"auto", "none", "pca"}))
      ->group("Nestor");
  app.add_option("--gaps", options.nestor.grid.gaps, "distance gaps to try; none: 0.02 to 0.6")
      ->delimiter(',')
      ->group("Nestor");
  app.add_option("--pools", options.nestor.grid.pools,
                 "pools to try under a gap; none: 120, 400, 1500, or multiples of a large k")
      ->delimiter(',')
      ->group("Nestor");
  app.add_option("--ladder", options.nestor.grid.ladders,
                 "ladders to try, WIDTH:SHORTLIST,WIDTH:SHORTLIST: the walk, then re-scores, the last one ranked "
                 "exactly; may be "
                 "given several times; none: many")
      ->group("Nestor")
      ->allow_extra_args(false);

  app.add_option("--scaling", options.scaling_rows,
                 "the growth law: the same synthetic distribution at these numbers of rows, by commas")
      ->delimiter(',')
      ->group("Growth");
  app.add_option("--dim", options.scaling_dim, "its dimension")->group("Growth");
  app.add_option("--centres", options.scaling_centres,
                 "its cluster centres; 0: one per 100 rows, so that a cluster keeps its size")
      ->group("Growth");

  try {
    app.parse(argc, argv);
    options.plan.threads = parse_threads(threads);
    options.build_threads = parse_threads(build_threads);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (resident == "walk") options.nestor.residency = index::Residency::walk_codes;
  if (walk_codes == "whole") options.nestor.walk_codes = index::WalkCodes::whole;
  if (walk_codes == "leading") options.nestor.walk_codes = index::WalkCodes::leading_bits;
  if (scalar != "auto") options.nestor.scalar_type = index::parse_scalar_type(scalar);
  if (rotation != "auto") options.nestor.rotation = index::parse_rotation(rotation);
  if (metric == "l2") options.data.distance = Distance::euclidean;
  if (metric == "cosine") options.data.distance = Distance::angular;
  if (metric == "dot") options.data.distance = Distance::dot;
  options.rebuild.insert(rebuild.begin(), rebuild.end());
  options.plan.seed = options.data.seed;
  options.data.threads = options.build_threads;
  return options;
}

}  // namespace nestor::bench::ann
