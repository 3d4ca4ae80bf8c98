// nestor build: a file becomes a collection with its graphs.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/importer.h"
#include "client/cli/progress.h"
#include "client/cli/self_test.h"
#include "client/cli/text.h"
#include "storage/collection_name.h"
#include "storage/import/knnbox_config.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

struct BuildArguments {
  DataArguments data;
  std::string collection, key_kind, value_kind;
  storage::DatastoreFiles files;
  ImportRules rules;
  Provenance provenance;
  CollectionChoices choices;
  unsigned threads = 0;
  double wanted_recall = 0.99;
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
    "  nestor build --from dstore_gpt2_116988150_768_keys.npy --collection wiki --metric l2 --rotation pca\n"
    "      a raw memory map of knn-transformers; its values are found beside it\n"
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
  command
      .add_option("--walk-codes", choices.walk_codes,
                  "What walks compare: whole codes, leading_bits (half the memory), or auto: measured [auto]")
      ->type_name("NAME");
  command.add_option("--max-links", choices.max_links, "Links per point in a graph, HNSW's M [16]")->type_name("N");
  command
      .add_option("--candidates-at-build", choices.candidates_at_build,
                  "Candidates looked at per inserted point, HNSW's efConstruction [100]")
      ->type_name("N");
}

void add_files(CLI::App& command, BuildArguments& arguments) {
  command
      .add_option("--from", arguments.files.keys,
                  "Vectors: .npy, .fvecs, .bvecs, .fbin, a raw memory map of kNN-LM code, or a knn-box directory")
      ->type_name("FILE")
      ->required();
  command
      .add_option("--values", arguments.files.values,
                  "One integer per row: the token that followed the key [X_vals.npy beside X_keys.npy]")
      ->type_name("FILE");
  command.add_option("--weights", arguments.files.weights, "One count per row, of merged rows [X_weights.npy]")
      ->type_name("FILE");
  command.add_option("--documents", arguments.files.documents, "One document number per row [X_doc_ids.npy]")
      ->type_name("FILE");
  command.add_option("--rows", arguments.files.rows, "Of files without a header [from a config.json or the name]")
      ->type_name("N");
  command.add_option("--dim", arguments.files.dim, "The same: coordinates of a row")->type_name("N");
  command.add_option("--key-type", arguments.key_kind, "The same: float16, bfloat16, float32 [by the size]")
      ->type_name("NAME");
  command.add_option("--value-type", arguments.value_kind, "The same: int16, int32, int64 [by the size]")
      ->type_name("NAME");
  command.add_option("--vocab-size", arguments.rules.vocabulary, "Tokens must be below it")->type_name("N");
  command.add_flag("--trim-zero-tail", arguments.rules.trim_zero_tail,
                   "Leave out rows at the end that were never filled");
  command.add_flag("--skip-nonfinite", arguments.rules.skip_nonfinite, "Leave out keys with NaN or infinity");
  command.add_flag("!--no-self-test", arguments.rules.self_test, "Do not ask rows for themselves after the build");
  command.add_option("--model", arguments.provenance.model, "Kept with the collection")->type_name("NAME");
  command.add_option("--layer", arguments.provenance.layer, "Kept with the collection")->type_name("NAME");
  command.add_option("--tokenizer", arguments.provenance.tokenizer, "Kept with the collection")->type_name("NAME");
}

index::BuildReport build_graphs(index::Collection& collection, const BuildArguments& arguments) {
  index::BuildOptions options;
  options.threads = arguments.threads;
  options.deterministic = arguments.deterministic;
  options.wanted_recall = arguments.wanted_recall;
  PhaseProgress progress;
  options.progress = [&](const index::BuildProgress& at) { progress.update(at.phase, at.done, at.total); };
  const index::BuildReport report = collection.build(options);
  progress.finish();
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
            << " --queries " << arguments.files.keys << " --row 0 --explain\n"
            << "  nestor info" << data_option(arguments.data) << " --collection " << arguments.collection << "\n";
}

// What was found out, before anything is done with it.
void print_layout(const Importer& importer) {
  const storage::DatastoreLayout& layout = importer.layout();
  const auto line = [](const char* what, const storage::DatastoreFile& file) {
    std::cout << "  " << what << file.path << " " << describe(file.layout) << "\n";
  };
  std::cout << "Reading " << layout.dialect << " (rows and coordinates by " << layout.known_by << ")\n";
  line("keys     ", layout.keys);
  if (layout.values) line("values   ", *layout.values);
  if (layout.weights) line("weights  ", *layout.weights);
  if (layout.documents) line("doc ids  ", *layout.documents);
}

void print_checks(const Importer& importer) {
  const ImportReport& report = importer.report();
  const std::uint64_t inside = report.zero_rows - report.zero_tail;
  if (report.zero_tail > 0 && importer.rows() < importer.layout().keys.layout.rows)
    std::cout << "  left out " << with_commas(report.zero_tail) << " rows of zeros at the end, never filled\n";
  if (inside > 0) std::cout << "  warning  " << with_commas(inside) << " rows before the end are all zeros\n";
  if (report.skipped > 0)
    std::cout << "  left out " << with_commas(report.skipped)
              << " rows with NaN or infinity; their numbers stay unused and pointers end before them\n";
}

void run_self_test(Importer& importer, const index::Collection& collection) {
  const SelfTestReport report = self_test(collection, importer.keys());
  std::cout << "  tested   " << with_commas(report.found) << " of " << with_commas(report.rows)
            << " rows of the file find themselves\n";
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
  storage::DatastoreFiles files = arguments.files;
  if (!arguments.key_kind.empty()) files.key_kind = storage::parse_scalar_kind(arguments.key_kind);
  if (!arguments.value_kind.empty()) files.value_kind = storage::parse_scalar_kind(arguments.value_kind);
  Importer importer(files, arguments.rules, arguments.provenance);
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
  print_layout(importer);
  print_checks(importer);
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
  if (arguments.rules.self_test) run_self_test(importer, *collection);
}

}  // namespace

void add_build_command(CLI::App& app) {
  auto arguments = std::make_shared<BuildArguments>();
  CLI::App* command =
      app.add_subcommand("build", "Build a collection with its graphs from a file of vectors")->alias("import");
  command->footer(kExamples);
  add_files(*command, *arguments);
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
