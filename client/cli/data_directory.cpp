#include "client/cli/data_directory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <span>
#include <string_view>

#include "storage/import/input_file.h"

namespace nestor::client {

namespace fs = std::filesystem;
using index::Error;
using index::ErrorCode;

namespace {

std::unique_ptr<storage::Database> open(const DataArguments& arguments, bool create) {
  storage::DatabaseOptions options;
  options.create_if_missing = create;
  options.background_builds = false;
  if (arguments.resident == "walk") options.residency = index::Residency::walk_codes;
  if (arguments.verbose) options.log = [](const std::string& line) { std::cerr << line << std::endl; };
  return storage::Database::open(arguments.directory, options);
}

// Whether there is anything to open. Looks for the marked LOCK file (storage/database.h) itself: opening, even
// without creating, puts Nestor's own entries into whatever directory it is given.
bool holds_database(const std::string& directory) {
  try {
    const storage::InputFile lock((fs::path(directory) / "LOCK").string());
    constexpr std::string_view mark = "nestor data directory";
    std::string text(std::min<std::uint64_t>(lock.size(), mark.size()), '\0');
    lock.read(0, std::as_writable_bytes(std::span(text)));
    return text == mark;
  } catch (const Error& error) {
    return error.code() != ErrorCode::not_found;  // let opening say what is wrong
  }
}

}  // namespace

void add_data_options(CLI::App& command, DataArguments& arguments) {
  command.add_option("--data", arguments.directory, "Directory that holds the collections")
      ->type_name("DIR")
      ->capture_default_str();
  command.add_flag("--verbose", arguments.verbose, "Print what the database logs");
}

std::unique_ptr<storage::Database> open_existing(const DataArguments& arguments) {
  auto database = open_if_there(arguments);
  if (!database) {
    throw Error(ErrorCode::not_found,
                "no database in " + arguments.directory +
                    "; `nestor build` or `nestor serve` makes one, --data names another directory");
  }
  return database;
}

std::unique_ptr<storage::Database> open_if_there(const DataArguments& arguments) {
  if (!holds_database(arguments.directory)) return nullptr;
  return open(arguments, false);
}

std::unique_ptr<storage::Database> open_or_create(const DataArguments& arguments) { return open(arguments, true); }

void check_writable(const std::string& directory) {
  std::error_code error;
  fs::path path = fs::absolute(directory, error);
  if (directory.empty() || error)
    throw Error(ErrorCode::invalid_argument, "--data \"" + directory + "\" is not a directory");
  // The nearest ancestor that exists is where the first new directory would appear.
  while (!fs::exists(path, error) && !error && path.has_parent_path() && path != path.parent_path())
    path = path.parent_path();
  if (error == std::errc::permission_denied) {
    throw Error(ErrorCode::permission_denied, "no permission to look into " + path.parent_path().string());
  }
  if (error == std::errc::not_a_directory || (!error && !fs::is_directory(path, error))) {
    throw Error(ErrorCode::invalid_argument, path.string() + " is not a directory");
  }
  if (error) throw Error(ErrorCode::internal, path.string() + ": " + error.message());
  if (::access(path.c_str(), W_OK | X_OK) != 0) {
    throw Error(ErrorCode::permission_denied, "no permission to write to the directory " + path.string());
  }
}

std::uint64_t directory_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // RocksDB may remove a file meanwhile
    if (at->is_regular_file(gone) && !gone) {
      const std::uint64_t size = at->file_size(gone);
      if (!gone) bytes += size;
    }
  }
  return bytes;
}

std::string data_option(const DataArguments& arguments) {
  return arguments.directory == DataArguments().directory ? "" : " --data " + arguments.directory;
}

}  // namespace nestor::client
