#pragma once
// The growth law: how time and work per query grow with the number of rows, at one recall, over sets of one
// distribution and dimension.

#include <iosfwd>

#include "bench/ann/options.h"

namespace nestor::bench::ann {

// Measures every size interleaved with the others, prints the curve and two fits (a + b log2 N, and N^c), and writes
// scaling.csv, scaling.json and scaling.svg where --out says.
void run_scaling(const Options& options, std::ostream& out);

}  // namespace nestor::bench::ann
