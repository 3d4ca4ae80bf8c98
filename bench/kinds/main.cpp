// nestor_bench_kinds: what a default search finds on every kind of data.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>

#include "bench/kinds/kind_sets.h"
#include "bench/kinds/kinds_table.h"
#include "index/distance.h"
#include "index/parallel.h"

namespace {

using namespace nestor::bench::kinds;
namespace index = nestor::index;

constexpr const char* kPurpose =
    "What a search that sets nothing finds, on data of every kind.\n\n"
    "Each set is written to a new collection with default options and built; its queries are asked by the default\n"
    "search and by walks that expand a given number of candidates (ef), at k = 10 and k = 100, one at a time. The "
    "exact\n"
    "neighbours are found by this program itself, in float32 by differences and in double for the nearest. A row that\n"
    "is as near as the k-th counts, since which of equal rows comes back is arbitrary.\n\n"
    "  nestor_bench_kinds --list                                      every set, and what is in it\n"
    "  nestor_bench_kinds                                             all generated kinds\n"
    "  nestor_bench_kinds --sets debian-lsa,mnist-784                 real sets, looked for in --shared\n"
    "  nestor_bench_kinds --sets flat_spectrum --rotation none,pca\n"
    "  nestor_bench_kinds --sets near_duplicates --rows 50000 --dim 128 --seed 7\n"
    "  nestor_bench_kinds --sets all --want 0.985 --csv kinds.csv     status 1 when a default misses it at k = 10\n\n"
    "Columns: R@10 and R@100 are mean recalls, us the median time of a query on one thread at k = 10 (us100: at 100),\n"
    "scan the share of queries that were answered by scanning although there may be a graph; bytes a vector: links "
    "and\n"
    "codes in memory, and what is mapped from the file beside them (exact rows, ids, codes that are not resident).\n"
    "Below the table stands what each build said of its choices.";

struct Options {
  TableRequest table;
  std::vector<std::string> sets = {"generated"};
  bool list = false;
};

template <class Value>
std::vector<Value> parsed(const std::vector<std::string>& names, Value (*parse)(std::string_view)) {
  std::vector<Value> values;
  for (const std::string& name : names) values.push_back(parse(name));
  return values;
}

Options parse_options(int argc, char** argv) {
  Options options;
  TableRequest& table = options.table;
  std::vector<std::string> metrics, rotations;
  const std::filesystem::path source(NESTOR_SOURCE_DIR);
  table.set.shared = (source / ".." / "shared").lexically_normal();
  table.set.examples = source / "examples" / "data";
  table.run.walks = {100, 200, 400};
  CLI::App app(kPurpose, "nestor_bench_kinds");
  app.get_formatter()->column_width(34);
  app.option_defaults()->always_capture_default();
  app.add_flag("--list", options.list, "name the sets and end");
  app.add_option("--sets", options.sets, "sets by name, or generated, real, all; by commas")->delimiter(',');
  app.add_option("--metric", metrics, "l2, cosine, dot, by commas; none: those that the set is meant for")
      ->delimiter(',')
      ->check(CLI::IsMember({"l2", "cosine", "dot"}));
  app.add_option("--rotation", rotations, "none, pca, by commas; none given: those that the set is meant for")
      ->delimiter(',')
      ->check(CLI::IsMember({"none", "pca"}));
  app.add_option("--rows", table.set.rows, "rows of a generated set, first rows of a real one; 0: the usual number");
  app.add_option("--dim", table.set.dim, "coordinates of generated sets; 0: the usual number");
  app.add_option("--queries", table.set.queries, "at most so many queries")->check(CLI::Range(1, 1000000));
  app.add_option("--seed", table.set.seed, "of generated rows and queries");
  app.add_option("--walks", table.run.walks, "candidates that walks expand, by commas")->delimiter(',');
  app.add_option("--exact-below", table.run.exact_below, "fewer rows get no graph; 0: a collection's default");
  app.add_option("--wanted-recall", table.run.wanted_recall, "that the build is asked for");
  app.add_option("--want", table.want, "end with status 1 when the default's recall@10 is below this anywhere");
  app.add_option("--threads", table.run.threads, "for building and for the exact neighbours; 0: all cores");
  app.add_option("--shared", table.set.shared, "directory that holds data/");
  app.add_option("--csv", table.csv, "the table as CSV too, notes included");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  table.metrics = parsed(metrics, index::parse_metric);
  table.rotations = parsed(rotations, index::parse_rotation);
  table.set.threads = index::thread_count(table.run.threads);
  return options;
}

void list_sets(std::ostream& out) {
  for (const SetDescription& set : known_sets()) {
    out << "  " << set.name << std::string(24 - std::min<std::size_t>(23, set.name.size()), ' ') << set.what << " (";
    for (std::size_t m = 0; m < set.metrics.size(); ++m)
      out << (m == 0 ? "" : ", ") << index::to_string(set.metrics[m]);
    out << (set.rotations.size() > 1 ? "; without and with pca)\n" : ")\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse_options(argc, argv);
    if (options.list) {
      list_sets(std::cout);
      return 0;
    }
    KindsTable table(options.table);
    for (const SetDescription& set : choose_sets(options.sets)) table.measure(set);
    std::cout << "seed " << options.table.set.seed << ", at most " << options.table.set.queries << " queries, kernels "
              << index::kernels().name << "\n\n";
    return table.tell(std::cout) ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << "nestor_bench_kinds: " << error.what() << '\n';
    return 2;
  }
}
