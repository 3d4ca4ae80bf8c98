#pragma once
// The table of nestor_bench_kinds: sets are measured one after the other, and told at the end.

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "bench/kinds/kind_run.h"
#include "bench/kinds/kind_sets.h"
#include "bench/table.h"

namespace nestor::bench::kinds {

struct TableRequest {
  SetRequest set;
  RunRequest run;                          // its metric and rotation are replaced by those of each line
  std::vector<index::Metric> metrics;      // empty: those of each set
  std::vector<index::Rotation> rotations;  // likewise
  std::filesystem::path csv;               // empty: none is written
  double want = 0;                         // recall@10 of the default search
};

class KindsTable {
 public:
  explicit KindsTable(const TableRequest& request);

  // One line for each metric and rotation. What a build or search throws becomes a line at the end; progress goes to
  // stderr.
  void measure(const SetDescription& description);
  // The table, what the builds said, and which sets were skipped, failed or stayed below what was wanted. True when
  // none failed and none stayed below.
  bool tell(std::ostream& out) const;

 private:
  void measure(const std::string& name, const LoadedSet& set, const tests::ExactAnswers& truth, const RunRequest& run);
  void add(const std::string& name, const LoadedSet& set, const RunRequest& run, const KindFigures& figures);

  TableRequest request_;
  Table shown_, csv_;  // the latter with the notes
  std::vector<std::string> notes_, skipped_, failed_, missed_;
};

}  // namespace nestor::bench::kinds
