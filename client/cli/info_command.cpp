// nestor info, list, delete: what is there, and taking it away.
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/text.h"
#include "server/process_usage.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

struct Arguments {
  DataArguments data;
  std::string collection;
  bool json = false;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor info                       # all collections, one line each\n"
    "  nestor info --collection books    # options, rows, graphs, bytes by part\n"
    "  nestor info --collection books --json";

std::string state_of(const index::CollectionInfo& info) {
  if (!info.read_only_because.empty()) return "read-only: " + info.read_only_because;
  if (info.building) return "building";
  if (info.generation_sequence == 0) return info.points < info.options.exact_below ? "exact search" : "no graph yet";
  return info.tail_rows == 0 ? "indexed" : "indexed, " + with_commas(info.tail_rows) + " in the tail";
}

void print_list(const storage::Database& database) {
  TextTable table({"collection", ">points", ">dim", "metric", "type", "rotation", "widths", "graphs", "state"});
  for (const std::string& name : database.collection_names()) {
    const index::CollectionInfo info = database.collection(name)->info();
    const index::CollectionOptions& options = info.options;
    table.add({name, with_commas(info.points), std::to_string(options.dim), std::string(to_string(options.metric)),
               std::string(to_string(options.scalar_type)), std::string(to_string(options.rotation)),
               join(options.widths), join(options.graphs), state_of(info)});
  }
  if (database.collection_names().empty())
    std::cout << "no collections\n";
  else
    table.print(std::cout, "");
  for (const storage::DamagedCollection& damaged : database.damaged()) {
    std::cout << "damaged: " << damaged.name << ": " << damaged.reason << '\n';
  }
  for (const storage::WaitingCollection& waiting : database.waiting())
    std::cout << "waiting: " << waiting.name << ": " << waiting.reason << '\n';
}

struct Part {
  std::string name;
  std::uint64_t bytes;
  bool resident;  // else in the mapped file
};

std::vector<Part> parts_of(const index::MemoryReport& memory) {
  return {{"links", memory.links, true},
          {"codes", memory.codes, true},
          {"tail", memory.tail, true},
          {"ids", memory.ids, false},
          {"mapped_codes", memory.mapped_codes, false},
          {"rows", memory.rows, false}};
}

void print_one(const std::string& name, const index::CollectionInfo& info,
               const std::optional<index::TunedPolicy>& tuned) {
  const index::CollectionOptions& options = info.options;
  std::cout << "Collection \"" << name << "\": " << state_of(info) << "\n"
            << "  points      " << with_commas(info.points) << " (" << with_commas(info.indexed_points)
            << " in graphs, " << with_commas(info.tail_rows) << " in the tail, " << with_commas(info.dead_slots)
            << " of " << with_commas(info.slots) << " slots dead)\n"
            << "  vectors     " << options.dim << " x " << to_string(options.scalar_type) << ", metric "
            << to_string(options.metric) << ", rotation " << to_string(options.rotation) << "\n"
            << "  widths      " << join(options.widths) << "; graphs at " << join(options.graphs) << "\n"
            << "  graph       " << options.graph.max_links << " links per point, " << options.graph.candidates_at_build
            << " candidates at build; exact search below " << with_commas(options.exact_below) << " points\n"
            << "  depth       "
            << (tuned ? to_string(tuned->policy) + " at k = " + std::to_string(tuned->k) + ", chosen by nestor tune"
                      : "as the build chose")
            << "\n"
            << "  sequence    " << info.sequence << "; generation " << info.generation_sequence << "\n";
  TextTable table({"bytes", ">in all", ">per vector"});
  std::uint64_t resident = 0, mapped = 0;
  const auto row = [&](const std::string& part, std::uint64_t bytes) {
    const double each = info.points == 0 ? 0 : static_cast<double>(bytes) / static_cast<double>(info.points);
    table.add({part, human_bytes(bytes), fixed(each, 1)});
  };
  for (const Part& part : parts_of(info.memory)) {
    (part.resident ? resident : mapped) += part.bytes;
    row(part.name, part.bytes);
  }
  row("in memory", resident);
  row("in the mapped file", mapped);
  table.print(std::cout);
  const server::ProcessUsage usage = server::process_usage();
  std::cout << "  this process holds " << human_bytes(usage.private_bytes()) << ", and " << human_bytes(usage.mapped_bytes)
            << " of mapped files as long as there is room\n";
}

nlohmann::json to_json(const std::string& name, const index::Collection& collection) {
  const index::CollectionInfo info = collection.info();
  const auto tuned = collection.tuned_policy();
  const index::CollectionOptions& options = info.options;
  nlohmann::json bytes = nlohmann::json::object();
  for (const Part& part : parts_of(info.memory)) bytes[part.name] = part.bytes;
  return {{"name", name},
          {"points", info.points},
          {"indexed_points", info.indexed_points},
          {"tail_rows", info.tail_rows},
          {"dead_slots", info.dead_slots},
          {"slots", info.slots},
          {"sync", to_string(options.sync)},
          {"sequence", info.sequence},
          {"generation_sequence", info.generation_sequence},
          {"building", info.building},
          {"read_only_because", info.read_only_because},
          {"dim", options.dim},
          {"metric", to_string(options.metric)},
          {"scalar_type", to_string(options.scalar_type)},
          {"rotation", to_string(options.rotation)},
          {"walk_codes", to_string(options.walk_codes)},
          {"widths", options.widths},
          {"graphs", options.graphs},
          {"max_links", options.graph.max_links},
          {"candidates_at_build", options.graph.candidates_at_build},
          {"exact_below", options.exact_below},
          {"tuned", tuned ? nlohmann::json{{"policy", to_string(tuned->policy)},
                                           {"k", tuned->k},
                                           {"recall", tuned->recall},
                                           {"queries", tuned->queries}}
                          : nlohmann::json()},
          {"bytes", bytes}};
}

void run_info(const Arguments& arguments) {
  const auto database = open_existing(arguments.data);
  if (arguments.json) {
    nlohmann::json list = nlohmann::json::array();
    for (const std::string& name : database->collection_names()) {
      if (arguments.collection.empty() || name == arguments.collection)
        list.push_back(to_json(name, *database->collection(name)));
    }
    if (!arguments.collection.empty() && list.empty()) database->collection(arguments.collection);  // throws not_found
    std::cout << (arguments.collection.empty() ? list : list.front())
                     .dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
              << '\n';
  } else if (!arguments.collection.empty()) {
    const auto collection = database->collection(arguments.collection);
    print_one(arguments.collection, collection->info(), collection->tuned_policy());
  } else {
    print_list(*database);
    std::cout << human_bytes(directory_bytes(arguments.data.directory)) << " in " << arguments.data.directory << '\n';
  }
}

void run_list(const Arguments& arguments) {
  for (const std::string& name : open_existing(arguments.data)->collection_names()) std::cout << name << '\n';
}

void run_delete(const Arguments& arguments) {
  const auto database = open_existing(arguments.data);
  if (!database->delete_collection(arguments.collection)) {
    throw Error(ErrorCode::not_found, "no collection \"" + arguments.collection + "\" in " + arguments.data.directory);
  }
  std::cout << "Deleted collection \"" << arguments.collection << "\"\n";
}

}  // namespace

void add_info_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("info", "Show the collections, or one of them in detail");
  command->footer(kExamples);
  command->add_option("--collection", arguments->collection, "Show this one in detail")->type_name("NAME");
  add_data_options(*command, arguments->data);
  command
      ->add_option("--resident", arguments->data.resident,
                   "What is held in memory, as of nestor serve: codes, or walk (less memory)")
      ->check(CLI::IsMember({"codes", "walk"}))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run_info(*arguments); });
}

void add_list_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("list", "Print the names of the collections, one per line");
  command->footer("Example:\n  nestor list --data ./nestor-data");
  add_data_options(*command, arguments->data);
  command->callback([arguments] { run_list(*arguments); });
}

void add_delete_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("delete", "Delete a collection and all that is in it; there is no way back");
  command->footer("Example:\n  nestor delete --collection books");
  command->add_option("--collection", arguments->collection, "What to delete")->type_name("NAME")->required();
  add_data_options(*command, arguments->data);
  command->callback([arguments] { run_delete(*arguments); });
}

}  // namespace nestor::client
