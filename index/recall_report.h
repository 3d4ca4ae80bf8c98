#pragma once
// What a generation's build measured, as users see it: in every door's answer to "how good are my searches?".

#include <cstdint>
#include <string>

namespace nestor::index {

class Generation;
struct CollectionOptions;

// What searches do that say nothing about depth, and what was measured of it when the generation was made.
struct RecallReport {
  double wanted = 0;            // recall@10; 0: no generation with graphs, every search is exact
  double measured = 1;
  double low = 1, high = 1;     // 95 % interval of the measured one
  bool reached = true;          // its lower end is not below what was wanted
  bool scans = false;           // such searches compare all rows: no walk finds enough, or a scan is as cheap
  std::uint32_t questions = 0;  // asked
  bool asked_queries = false;   // queries were asked; else rows, each hidden from its own search
  std::string choice;           // what was chosen and why, in a sentence
  std::string remedy;           // what to do where it is not reached; empty: nothing
};

// O(1). Of searches that set nothing, k = 10, without a filter.
RecallReport report_recall(const Generation& generation, const CollectionOptions& options);

}  // namespace nestor::index
