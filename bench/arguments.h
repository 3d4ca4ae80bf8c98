#pragma once
// What every benchmark takes from its command line.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace nestor::bench {

struct Arguments {
  std::filesystem::path shared;               // holds data/knnlm-dickens and data/mnist-784
  std::filesystem::path examples;             // the sample that ships, used when `shared` holds no data
  std::optional<std::filesystem::path> data;  // where collections are built and kept; none: a temporary one
  std::optional<std::filesystem::path> csv;
  std::size_t queries = 0;  // 0: as many as the benchmark wants
  unsigned threads = 0;     // for building and batches; 0: all cores
  std::string only;         // run the data set of this name alone
};

// Prints `purpose` and the flags and exits on --help; exits with status 2 and one line on a bad flag.
Arguments parse_arguments(int argc, char** argv, const std::string& purpose);

}  // namespace nestor::bench
