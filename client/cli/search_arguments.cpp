#include "client/cli/search_arguments.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "client/cli/text.h"

namespace nestor::client {

void add_search_options(CLI::App& command, SearchArguments& arguments) {
  command.add_option("-k", arguments.k, "Neighbours per query")->type_name("N")->capture_default_str();
  command.add_option("--width", arguments.width, "Rank by this prefix width instead of the full vector")
      ->type_name("W");
  auto* stages = command
                     .add_option("--stages", arguments.stages,
                                 "Explicit ladder: walk at the first width, keep a shortlist, re-rank it at the next")
                     ->type_name("WIDTH:SHORTLIST,...");
  command.add_option("--ef", arguments.ef, "Candidates the walk explores: more finds more and takes longer")
      ->type_name("N");
  command.add_option("--distance-gap", arguments.gap, "Stop the walk when the next is farther than (1+gap) x the k-th")
      ->type_name("GAP");
  command.add_option("--target-recall", arguments.target_recall, "As deep as a certified recall needs (see calibrate)")
      ->type_name("R")
      ->excludes(stages);
  command.add_option("--max-latency-ms", arguments.max_latency_ms, "Best effort: no deeper than fits in this time")
      ->type_name("MS")
      ->excludes(stages);
  command.add_option("--encoder", arguments.encoder, "What made the queries, when certificates name it")
      ->type_name("NAME");
  auto* exact =
      command.add_flag("--exact", arguments.exact, "Compare with every row: slow, never wrong")->excludes(stages);
  command.add_flag("--by-codes", arguments.by_codes, "Rank by codes: distances are rounded, no stored row is read")
      ->excludes(exact);
  command.add_flag("--explain", arguments.explain, "Show what every stage did");
  command.add_option("--threads", arguments.threads, "Threads for many queries [all cores]")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""));
}

index::SearchOptions search_options(const SearchArguments& arguments) {
  index::SearchOptions options;
  options.k = arguments.k;
  options.exact = arguments.exact;
  options.exact_distances = !arguments.by_codes;
  options.width = arguments.width;
  options.candidates_to_explore = arguments.ef;
  options.distance_gap = arguments.gap;
  options.target_recall = arguments.target_recall;
  options.max_latency_ms = arguments.max_latency_ms;
  options.encoder = arguments.encoder;
  options.explain = arguments.explain;
  if (!arguments.stages.empty()) options.stages = parse_stages("--stages", arguments.stages);
  return options;
}

void print_stages(std::ostream& out, const std::vector<index::StageReport>& stages, const index::CollectionInfo& info) {
  TextTable table({"stage", ">width", ">in", ">out", ">distances", ">coordinates", ">µs", "stopped because"});
  std::uint64_t coordinates = 0;
  for (const index::StageReport& stage : stages) {
    coordinates += stage.coordinates_read;
    table.add({stage.name, std::to_string(stage.width), with_commas(stage.candidates_in),
               with_commas(stage.candidates_out), with_commas(stage.distance_evaluations),
               with_commas(stage.coordinates_read), fixed(stage.microseconds, 0), stage.stopped_because});
  }
  table.print(out);
  const double scan = static_cast<double>(info.points) * info.options.dim;
  if (coordinates == 0 || scan == 0) return;
  out << "  " << with_commas(coordinates) << " coordinates read, "
      << fixed(100 * static_cast<double>(coordinates) / scan, 2) << " % of a scan of all rows\n";
}

nlohmann::json to_json(const std::vector<index::StageReport>& stages) {
  nlohmann::json list = nlohmann::json::array();
  for (const index::StageReport& stage : stages) {
    list.push_back({{"name", stage.name},
                    {"width", stage.width},
                    {"candidates_in", stage.candidates_in},
                    {"candidates_out", stage.candidates_out},
                    {"distance_evaluations", stage.distance_evaluations},
                    {"coordinates_read", stage.coordinates_read},
                    {"microseconds", stage.microseconds},
                    {"stopped_because", stage.stopped_because}});
  }
  return list;
}

}  // namespace nestor::client
