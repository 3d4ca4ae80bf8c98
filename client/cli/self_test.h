#pragma once
// After an import: do the rows find themselves? Wrong guesses about a file's type or length, and graphs that do not
// work, both show here instead of as a perplexity that nobody can reproduce.

#include <cstdint>

#include "index/collection.h"
#include "storage/import/vector_source.h"

namespace nestor::client {

struct SelfTestReport {
  std::uint64_t rows = 0;   // asked for
  std::uint64_t found = 0;  // found themselves, or a row at the same place
};

// Up to 1000 rows of the source, spread evenly. Each must be stored as it is in the file, and a search for it must
// find it or an equal row at distance about 0 (l2, cosine); for dot, which has no such zero, 50 searches are compared
// with exact ones. Throws Error data_loss when a row is stored otherwise, or when more than 2 % are not found.
SelfTestReport self_test(const index::Collection& collection, storage::VectorSource& keys);

}  // namespace nestor::client
