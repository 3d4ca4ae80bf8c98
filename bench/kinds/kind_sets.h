#pragma once
// The sets that recall is measured on: every generated kind of data, and real sets where they are found.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "index/types.h"

namespace nestor::bench::kinds {

struct SetDescription {
  std::string name;  // "near_duplicates", "debian-lsa"
  std::string what;
  bool generated = true;
  std::vector<index::Metric> metrics;      // measured by each of these ...
  std::vector<index::Rotation> rotations;  // ... with each of these, unless the caller says otherwise
};

// Generated kinds, then those copied from real rows, then real sets.
const std::vector<SetDescription>& known_sets();
// From names and the words generated, real and all, in the order of known_sets(). Throws index::Error not_found.
std::vector<SetDescription> choose_sets(const std::vector<std::string>& names);

struct SetRequest {
  std::filesystem::path shared, examples;  // where real sets are looked for
  std::size_t rows = 0;                    // 0: all, or as many as is usual for the kind
  std::uint32_t dim = 0;                   // of generated sets; 0: the usual one
  std::size_t queries = 1000;              // at most
  std::uint64_t seed = 42;                 // of generated sets
  unsigned threads = 1;
};

struct LoadedSet {
  std::size_t rows = 0, queries = 0;
  std::uint32_t dim = 0;
  std::vector<float> base;   // [rows x dim]
  std::vector<float> asked;  // [queries x dim]
  bool exact_in_float16 = false;

  std::span<const float> row(std::size_t i) const { return {base.data() + i * dim, dim}; }
  std::span<const float> query(std::size_t i) const { return {asked.data() + i * dim, dim}; }
};

// nullopt: its files are not there. Throws index::Error on files that cannot be read.
std::optional<LoadedSet> load_set(const SetDescription& set, const SetRequest& request);

}  // namespace nestor::bench::kinds
