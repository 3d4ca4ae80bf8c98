// nestor build: a file becomes a collection with its graphs.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/importer.h"
#include "client/cli/progress.h"
#include "client/cli/text.h"
#include "storage/collection_name.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

struct BuildArguments {
  DataArguments data;
  std::string keys, values, collection;
  CollectionChoices choices;
  unsigned threads = 0;
  double wanted_recall = index::BuildOptions{}.wanted_recall;
  bool replace = false, resume = false, deterministic = false;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor build --from embeddings.npy --collection books\n"
    "      one point per row, its id is the row number; widths 32, 64, 128, ... up to the full one\n"
    "  nestor build --from keys.npy --values next_tokens.npy --collection wiki --metric l2\n"
    "      a kNN-LM datastore: the value of a key is the token that followed it\n"
    "  nestor build --from gpt2_keys.npy --collection gpt2 --metric l2 --rotation pca\n"
    "      vectors that are not nested: a learnt rotation makes their prefixes informative\n"
    "  nestor build --from keys.npy --collection wiki --resume\n"
    "      go on after an import that was interrupted\n"
    "\n"
    "--metric: cosine compares directions and is what most embedding models are trained for; rows are\n"
    "  normalised when they are written. l2 is squared Euclidean distance: kNN-LM keys, images, classic\n"
    "  test sets. dot is the plain inner product: models that put meaning into the length.\n"
    "\n"
    "Everything is checked before anything is written: headers, sizes, every number, the options.";

void add_choices(CLI::App& command, CollectionChoices& choices) {
  command.add_option("--widths", choices.widths, "Prefix widths that can be searched, ascending [32,64,... up to dim]")
      ->type_name("W,W,...");
  command.add_option("--graphs", choices.graphs, "Widths that get a graph [the widest up to 256]")
      ->type_name("W,W,...");
  command.add_option("--metric", choices.metric, "l2, dot or cosine, see below [cosine]")->type_name("NAME");
  command.add_option("--rotation", choices.rotation, "none or pca; never pca for Matryoshka-trained vectors [none]")
      ->type_name("NAME");
  command
      .add_option("--scalar-type", choices.scalar_type,
                  "Stored as float32 or float16 [float16 when the file is float16 or uint8, "
                  "exact for l2 and dot; else float32]")
      ->type_name("NAME");
  command.add_option("--max-links", choices.max_links, "Links per point in a graph, HNSW's M [16]")->type_name("N");
  command
      .add_option("--candidates-at-build", choices.candidates_at_build,
                  "Candidates looked at per inserted point, HNSW's efConstruction [100]")
      ->type_name("N");
}

index::BuildReport build_graphs(index::Collection& collection, const BuildArguments& arguments) {
  index::BuildOptions options;
  options.threads = arguments.threads;
  options.deterministic = arguments.deterministic;
  options.wanted_recall = arguments.wanted_recall;
  std::unique_ptr<Progress> progress;
  options.progress = [&](const index::BuildProgress& at) {
    if (at.total <= 1) return;  // a step without rows, such as publishing
    if (!progress || progress->label() != at.phase || progress->total() != at.total) {
      if (progress) progress->finish();
      progress = std::make_unique<Progress>(at.phase, 0, at.total);
    }
    progress->update(at.done);
  };
  const index::BuildReport report = collection.build(options);
  if (progress) progress->finish();
  return report;
}

struct Timings {
  double importing = 0;
  double building = 0;
};

void print_summary(const index::Collection& collection, const BuildArguments& arguments,
                   const index::BuildReport& report, const Timings& timings) {
  const index::CollectionInfo info = collection.info();
  const index::CollectionOptions& options = info.options;
  std::cout << "Collection \"" << arguments.collection << "\" in " << arguments.data.directory << " is ready\n"
            << "  rows     " << with_commas(info.points) << " x " << options.dim << " "
            << to_string(options.scalar_type) << ", metric " << to_string(options.metric) << ", rotation "
            << to_string(options.rotation) << "\n"
            << "  widths   " << join(options.widths)
            << (info.points < options.exact_below ? "; too few rows for a graph, searches are exact"
                                                  : "; graph at " + join(options.graphs))
            << "\n";
  for (const std::string& note : report.notes) std::cout << "  chosen   " << note << "\n";
  std::cout << "  time     " << human_seconds(timings.importing) << " importing, " << human_seconds(timings.building)
            << " building\n"
            << "  on disk  " << human_bytes(directory_bytes(arguments.data.directory)) << " in the directory, "
            << human_bytes(report.generation_bytes) << " of it the graphs of this collection\n"
            << "Try next:\n"
            << "  nestor search" << data_option(arguments.data) << " --collection " << arguments.collection
            << " --queries " << arguments.keys << " --row 0 --explain\n"
            << "  nestor info" << data_option(arguments.data) << " --collection " << arguments.collection << "\n";
}

bool is_damaged(const storage::Database& database, const std::string& name) {
  const auto damaged = database.damaged();
  return std::any_of(damaged.begin(), damaged.end(), [&](const auto& one) { return one.name == name; });
}

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

void run(const BuildArguments& arguments) {
  const auto begun = std::chrono::steady_clock::now();
  // First everything that can be wrong, without touching the directory.
  storage::check_collection_name(arguments.collection);
  Importer importer(arguments.keys, arguments.values);
  index::CollectionOptions options = importer.options_for(arguments.choices);
  check_writable(arguments.data.directory);
  std::unique_ptr<storage::Database> database = open_if_there(arguments.data);
  std::shared_ptr<index::Collection> collection;
  const bool exists =
      database && (database->contains(arguments.collection) || is_damaged(*database, arguments.collection));
  std::uint64_t first = 0;
  if (exists && arguments.resume) {
    collection = database->collection(arguments.collection);
    first = importer.resume_at(*collection, arguments.choices, database->attributes(arguments.collection));
    options = collection->options();
  } else if (exists && !arguments.replace) {
    throw Error(ErrorCode::already_exists, "collection \"" + arguments.collection + "\" exists in " +
                                               arguments.data.directory +
                                               "; --replace drops it, --resume goes on with it");
  }
  importer.check_rows(first, options);

  // From here on things change.
  if (!database) database = open_or_create(arguments.data);
  if (!collection) {
    if (exists) database->delete_collection(arguments.collection);
    collection = database->create_collection(arguments.collection, options, importer.attributes());
  }
  Timings timings;
  importer.write_rows(first, *collection);
  timings.importing = seconds_since(begun);
  const index::BuildReport report = build_graphs(*collection, arguments);
  timings.building = seconds_since(begun) - timings.importing;
  print_summary(*collection, arguments, report, timings);
}

}  // namespace

void add_build_command(CLI::App& app) {
  auto arguments = std::make_shared<BuildArguments>();
  CLI::App* command = app.add_subcommand("build", "Build a collection with its graphs from a file of vectors");
  command->footer(kExamples);
  command->add_option("--from", arguments->keys, "Vectors: .npy (float32, float16, uint8), .fvecs or .bvecs")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--values", arguments->values,
                   "One integer per row (.npy or .ivecs): the token that followed the key")
      ->type_name("FILE");
  command->add_option("--collection", arguments->collection, "Name of the collection to make")
      ->type_name("NAME")
      ->required();
  add_data_options(*command, arguments->data);
  add_choices(*command, arguments->choices);
  command->add_option("--threads", arguments->threads, "Threads that build [all cores]")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""));
  command
      ->add_option("--recall", arguments->wanted_recall,
                   "Recall@10 that searches without options shall reach; measured on the rows [0.99]")
      ->type_name("X")
      ->check(CLI::Range(0.5, 0.9999).description(""));
  command->add_flag("--deterministic", arguments->deterministic,
                    "One thread, fixed seed: the same file gives the same graphs");
  auto* replace = command->add_flag("--replace", arguments->replace, "Drop a collection of that name first");
  command->add_flag("--resume", arguments->resume, "Go on with an import of the same file that was interrupted")
      ->excludes(replace);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
