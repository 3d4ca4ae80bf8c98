// nestor snapshot: backups of a collection or of the whole database, and putting them back.
#include <filesystem>
#include <iostream>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/text.h"

namespace nestor::client {

namespace fs = std::filesystem;
using index::Error;
using index::ErrorCode;

namespace {

struct Arguments {
  DataArguments data;
  std::string collection;  // empty: the whole database
  std::string file;        // a path, or the name of a kept snapshot
  std::string to;
  std::string as;
  std::string sha256;

  storage::SnapshotScope scope() const {
    return collection.empty() ? storage::SnapshotScope() : storage::SnapshotScope(collection);
  }
};

void run_create(const Arguments& arguments) {
  const auto database = open_existing(arguments.data);
  if (!arguments.to.empty() && fs::exists(arguments.to))
    throw Error(ErrorCode::already_exists, arguments.to + " exists already; a snapshot replaces no file");
  const storage::SnapshotInfo made = database->create_snapshot(arguments.scope());
  fs::path file = database->snapshot_file(arguments.scope(), made.name);
  if (!arguments.to.empty()) {
    std::error_code error;
    fs::copy_file(file, arguments.to, error);
    if (error)
      throw Error(ErrorCode::permission_denied, "cannot copy the snapshot to " + arguments.to + ": " + error.message());
    database->delete_snapshot(arguments.scope(), made.name);
    file = arguments.to;
  }
  std::cout << made.sha256 << "  " << file.string() << "  (" << human_bytes(made.bytes) << ")\n";
}

void run_list(const Arguments& arguments) {
  const auto database = open_existing(arguments.data);
  TextTable table({"snapshot", ">bytes", "SHA-256"});
  const auto kept = database->snapshots(arguments.scope());
  for (const storage::SnapshotInfo& each : kept) table.add({each.name, with_commas(each.bytes), each.sha256});
  if (kept.empty())
    std::cout << "no snapshots\n";
  else
    table.print(std::cout, "");
}

void run_delete(const Arguments& arguments) {
  if (!open_existing(arguments.data)->delete_snapshot(arguments.scope(), arguments.file))
    throw Error(ErrorCode::not_found, "Snapshot `" + arguments.file + "` doesn't exist!");
  std::cout << "Deleted snapshot \"" << arguments.file << "\"\n";
}

void run_recover(const Arguments& arguments) {
  const auto database = open_or_create(arguments.data);
  storage::RecoverOptions options;
  if (!arguments.sha256.empty()) options.sha256 = arguments.sha256;
  // A path wins over the name of a kept one.
  const fs::path file = fs::exists(arguments.file) ? fs::path(arguments.file)
                                                   : database->snapshot_file(arguments.scope(), arguments.file);
  if (arguments.collection.empty() && arguments.as.empty()) {
    for (const std::string& name : database->recover_all(file, options))
      std::cout << "Recovered collection \"" << name << "\": " << with_commas(database->collection(name)->count())
                << " points\n";
    return;
  }
  const std::string name = arguments.as.empty() ? arguments.collection : arguments.as;
  if (!arguments.collection.empty() && !arguments.as.empty()) options.source = arguments.collection;
  const auto collection = database->recover_collection(name, file, options);
  std::cout << "Recovered collection \"" << name << "\": " << with_commas(collection->count()) << " points\n";
}

CLI::App* add(CLI::App& parent, const char* name, const char* description, const std::shared_ptr<Arguments>& arguments,
              void (*run)(const Arguments&)) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->add_option("--collection", arguments->collection, "This collection; without it, the whole database")
      ->type_name("NAME");
  add_data_options(*command, arguments->data);
  command->callback([arguments, run] { run(*arguments); });
  return command;
}

}  // namespace

void add_snapshot_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("snapshot", "Back up collections to one file, and put them back");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  nestor snapshot create --collection books\n"
      "  nestor snapshot create --to /backup/all.snapshot            # the whole database\n"
      "  nestor snapshot recover /backup/all.snapshot --data ./new\n"
      "  nestor snapshot recover /backup/all.snapshot --collection books --as books-of-june");
  CLI::App* create = add(*command, "create", "Make a snapshot", arguments, run_create);
  create->add_option("--to", arguments->to, "Write it here instead of keeping it in the data directory")
      ->type_name("FILE");
  add(*command, "list", "List the snapshots that the data directory keeps", arguments, run_list);
  add(*command, "delete", "Delete one of them", arguments, run_delete)
      ->add_option("name", arguments->file, "Which")
      ->required();
  CLI::App* recover = add(*command, "recover", "Put the collections of a snapshot in force", arguments, run_recover);
  recover->add_option("file", arguments->file, "A file, or the name of a kept snapshot")->type_name("FILE")->required();
  recover->add_option("--as", arguments->as, "Give the collection this name")->type_name("NAME");
  recover->add_option("--sha256", arguments->sha256, "Refuse a file with another SHA-256")->type_name("HEX");
}

}  // namespace nestor::client
