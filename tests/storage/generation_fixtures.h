#pragma once
// What the tests of generations share: seeded sections, loading with the damage reported, and flipping bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storage/checksum.h"
#include "storage/generation.h"
#include "storage/generation_format.h"
#include "tests/storage/expect_error.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/random_vectors.h"

namespace nestor::tests {

using namespace nestor::index;
using namespace nestor::storage;

// Sections of sizes around the alignment and above one checksum piece.
struct Content {
  std::vector<std::vector<std::byte>> blocks;
  std::vector<Section> sections;

  explicit Content(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const std::vector<std::pair<std::string, std::size_t>> shapes{
        {"codes", 100000}, {"graph/64", 4096}, {"empty", 0}, {"one", 1}, {"rows", kChecksumPiece + 12345}};
    for (const auto& [name, size] : shapes) {
      std::vector<std::byte> block(size);
      for (std::byte& b : block) b = static_cast<std::byte>(random());
      blocks.push_back(std::move(block));
      sections.push_back({name, {}});
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) sections[i].bytes = blocks[i];
  }
};

inline bool same(const std::vector<Section>& a, const std::vector<Section>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Section& x, const Section& y) {
    return x.name == y.name && std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end());
  });
}

struct Loaded {
  std::optional<LoadedSections> generation;
  std::vector<std::string> damage;

  bool says(const std::string& part) const {
    return std::any_of(damage.begin(), damage.end(), [&](const std::string& line) { return mentions(line, part); });
  }
};

inline Loaded load(const std::filesystem::path& where) {
  Loaded loaded;
  GenerationDirectory directory(where);
  loaded.generation = directory.load_newest([&](const std::string& line) { loaded.damage.push_back(line); });
  return loaded;
}

inline std::vector<std::filesystem::path> generation_files(const std::filesystem::path& where) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(where))
    if (entry.path().extension() == ".nestor") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

inline std::size_t files_in(const std::filesystem::path& where) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(where), {}));
}

inline void flip(const std::filesystem::path& file, std::size_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const char old = static_cast<char>(stream.get());
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(static_cast<char>(old ^ 0x10));
}

}  // namespace nestor::tests
