#pragma once
// Where the collections live: the options that name it, and opening it for a command.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "storage/database.h"

namespace nestor::client {

struct DataArguments {
  std::string directory = "./nestor-data";
  bool verbose = false;  // the database's own log lines on stderr
  std::string resident = "codes";  // what is held in memory: codes, walk
};

void add_data_options(CLI::App& command, DataArguments& arguments);

// An existing database; nothing is created and nothing is built in the background.
// Throws Error not_found with a hint, failed_precondition when another process holds it.
std::unique_ptr<storage::Database> open_existing(const DataArguments& arguments);
// The same, or null where there is no database yet.
std::unique_ptr<storage::Database> open_if_there(const DataArguments& arguments);
std::unique_ptr<storage::Database> open_or_create(const DataArguments& arguments);

// That a database could be created or changed here, without touching anything.
// Throws Error permission_denied, invalid_argument (not a directory).
void check_writable(const std::string& directory);

// All bytes of all files below the directory; 0 where it cannot be read.
std::uint64_t directory_bytes(const std::string& directory);

// What to type to reach the same data again: "" for the default directory, else " --data DIR".
std::string data_option(const DataArguments& arguments);

}  // namespace nestor::client
