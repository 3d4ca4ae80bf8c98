// nestor compact: rewrites a collection without its dead.
#include <iostream>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/text.h"

namespace nestor::client {
namespace {

struct Arguments {
  DataArguments data;
  std::string collection;
  unsigned threads = 0;
};

void run(const Arguments& arguments) {
  const auto database = open_existing(arguments.data);
  const auto collection = database->collection(arguments.collection);
  const index::CollectionInfo before = collection->info();
  index::BuildOptions build;
  build.threads = arguments.threads;
  const index::BuildReport report = collection->compact(build);
  std::cout << "Compacted \"" << arguments.collection << "\": " << with_commas(report.rows) << " points, "
            << with_commas(before.dead_slots) << " of " << with_commas(before.slots) << " slots were dead, "
            << fixed(report.seconds, 1) << " s\n";
}

}  // namespace

void add_compact_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("compact", "Rewrite a collection without what was deleted or replaced, and build its graphs anew");
  command->footer("Example:\n  nestor compact --collection books");
  command->add_option("--collection", arguments->collection, "What to compact")->type_name("NAME")->required();
  command->add_option("--threads", arguments->threads, "How many; 0: all cores")->capture_default_str();
  add_data_options(*command, arguments->data);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
