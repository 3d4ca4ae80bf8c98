#pragma once
// How deep a search goes: the options that `search` and `lookup` share.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "index/collection.h"

namespace nestor::client {

struct SearchArguments {
  std::uint32_t k = 10;
  bool exact = false, by_codes = false, explain = false;
  std::optional<std::uint32_t> width, ef;
  std::optional<float> gap;
  std::optional<double> target_recall, max_latency_ms;
  std::string encoder;
  std::string stages;
  unsigned threads = 0;
};

void add_search_options(CLI::App& command, SearchArguments& arguments);

// Throws Error invalid_argument for what the grammar alone can tell.
index::SearchOptions search_options(const SearchArguments& arguments);

// What the stages of one query did, as a table with a line that puts the work in proportion.
void print_stages(std::ostream& out, const std::vector<index::StageReport>& stages, const index::CollectionInfo& info);
nlohmann::json to_json(const std::vector<index::StageReport>& stages);

}  // namespace nestor::client
