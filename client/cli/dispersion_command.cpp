// nestor dispersion: which layer's vectors are spread out most, and so make the best kNN-LM keys.
#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/cli/commands.h"
#include "client/cli/progress.h"
#include "client/cli/text.h"
#include "index/dispersion.h"
#include "index/error.h"
#include "storage/import/vector_source.h"

namespace nestor::client {
namespace {

struct Arguments {
  std::vector<std::string> files;
  std::string widths, rest;
  bool json = false;
};

struct Measured {
  std::string path;
  index::Dispersion sums;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor dispersion layer11.npy layer12.npy\n"
    "      ranks the layers: the widest spread first\n"
    "  nestor dispersion keys.npy --widths 32,64,128,256\n"
    "      does a prefix still tell vectors apart?\n"
    "  nestor dispersion medicine.npy law.npy --rest general.npy\n"
    "      the gap G of a target domain: its own spread and how far it stands from the rest\n"
    "\n"
    "Dispersion is the mean cosine distance between two rows (0: all alike, 1: at right angles), arXiv 2506.24106.\n"
    "It needs no labels and reads each file once. Rows of zeros are left out and counted.";

index::Dispersion measure(const std::string& path, const std::string& widths) {
  constexpr std::size_t kBatchFloats = 1u << 20;
  const auto source = storage::open_vector_source(path);
  index::Dispersion sums(widths.empty() ? std::vector<std::uint32_t>{source->dim()} : parse_widths("--widths", widths));
  const std::size_t width = sums.widths().back(), dim = source->dim();
  if (width > dim)
    throw index::Error(index::ErrorCode::invalid_argument, "--widths asks for " + std::to_string(width) +
                                                               " coordinates, " + path + " has " + std::to_string(dim));
  Progress progress(path, 0, source->rows());
  std::vector<float> batch, cut;
  std::uint64_t done = 0;
  while (const std::size_t rows = source->read_rows(std::max<std::size_t>(1, kBatchFloats / dim), batch)) {
    if (width < dim) {
      cut.clear();
      for (std::size_t r = 0; r < rows; ++r)
        cut.insert(cut.end(), batch.begin() + static_cast<std::ptrdiff_t>(r * dim),
                   batch.begin() + static_cast<std::ptrdiff_t>(r * dim + width));
    }
    try {
      sums.add(width < dim ? cut : batch);
    } catch (const index::Error& e) {
      throw index::Error(e.code(), path + ", from row " + std::to_string(done) + " on: " + e.what());
    }
    progress.update(done += rows);
  }
  progress.finish();
  return sums;
}

void print_json(const std::vector<Measured>& measured, const index::Dispersion* rest) {
  nlohmann::json list = nlohmann::json::array();
  for (const Measured& one : measured) {
    nlohmann::json widths = nlohmann::json::array();
    for (std::size_t w = 0; w < one.sums.widths().size(); ++w) {
      nlohmann::json entry = {{"width", one.sums.widths()[w]},
                              {"dispersion", one.sums.value(w)},
                              {"rows", one.sums.rows(w)},
                              {"zero_rows", one.sums.zero_rows(w)}};
      if (rest != nullptr) entry["between"] = one.sums.between(*rest, w);
      if (rest != nullptr) entry["gap"] = one.sums.gap(*rest, w);
      widths.push_back(std::move(entry));
    }
    list.push_back({{"file", one.path}, {"widths", std::move(widths)}});
  }
  std::cout << nlohmann::json{{"files", std::move(list)}}.dump(2) << '\n';
}

void print_text(const std::vector<Measured>& measured, const index::Dispersion* rest) {
  std::vector<std::string> columns{"file", ">width", ">rows", ">dispersion"};
  if (rest != nullptr) columns.insert(columns.end(), {">to the rest", ">gap"});
  TextTable table(columns);
  for (const Measured& one : measured)
    for (std::size_t w = 0; w < one.sums.widths().size(); ++w) {
      std::vector<std::string> row{one.path, std::to_string(one.sums.widths()[w]), with_commas(one.sums.rows(w)),
                                   fixed(one.sums.value(w), 4)};
      if (rest != nullptr) {
        row.push_back(fixed(one.sums.between(*rest, w), 4));
        row.push_back(fixed(one.sums.gap(*rest, w), 4));
      }
      table.add(row);
    }
  table.print(std::cout);
  if (measured.size() > 1 && rest == nullptr)
    std::cout << "Widest spread, so by this measure the best kNN-LM keys: " << measured.front().path << '\n';
}

void run(const Arguments& arguments) {
  std::vector<Measured> measured;
  for (const std::string& path : arguments.files) measured.push_back({path, measure(path, arguments.widths)});
  const auto last = [](const Measured& one) { return one.sums.widths().size() - 1; };
  std::stable_sort(measured.begin(), measured.end(),
                   [&](const Measured& a, const Measured& b) { return a.sums.value(last(a)) > b.sums.value(last(b)); });
  std::unique_ptr<index::Dispersion> rest;
  if (!arguments.rest.empty()) rest = std::make_unique<index::Dispersion>(measure(arguments.rest, arguments.widths));
  if (arguments.json)
    print_json(measured, rest.get());
  else
    print_text(measured, rest.get());
}

}  // namespace

void add_dispersion_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("dispersion", "How spread out vectors are: compares layers as kNN-LM keys");
  command->footer(kExamples);
  command->add_option("files", arguments->files, "Vectors, one file per layer or domain")
      ->type_name("FILE")
      ->required();
  command->add_option("--widths", arguments->widths, "Prefixes to measure as well [the full width]")
      ->type_name("W,W,...");
  command->add_option("--rest", arguments->rest, "Vectors that are not of the domain: also prints the gap G")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "Print JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
