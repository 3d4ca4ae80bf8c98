#include "bench/kinds/kinds_table.h"

#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <ostream>

namespace nestor::bench::kinds {
namespace {

std::vector<std::string> columns(const RunRequest& run, bool with_notes) {
  std::vector<std::string> names = {"set", "metric", "rotation", "rows", "dim", "R@10", "R@100", "us", "us100", "scan"};
  for (const std::uint32_t explored : run.walks)
    for (const char* figure : {" R@10", " R@100", " us"}) names.push_back("ef" + std::to_string(explored) + figure);
  for (const char* name : {"build s", "links B", "codes B", "mapped B"}) names.emplace_back(name);
  if (with_notes) names.emplace_back("notes");
  return names;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

std::string label_of(const std::string& name, const RunRequest& run) {
  return name + ' ' + std::string(index::to_string(run.metric)) + ' ' + std::string(index::to_string(run.rotation));
}

}  // namespace

KindsTable::KindsTable(const TableRequest& request)
    : request_(request), shown_(columns(request.run, false)), csv_(columns(request.run, true)) {}

void KindsTable::measure(const SetDescription& description) {
  const auto set = load_set(description, request_.set);
  if (!set) {
    skipped_.push_back(description.name);
    return;
  }
  for (const index::Metric metric : request_.metrics.empty() ? description.metrics : request_.metrics) {
    const auto start = std::chrono::steady_clock::now();
    const tests::ExactAnswers truth({metric, set->dim, set->base, set->asked}, 100, request_.set.threads);
    std::fprintf(stderr, "%s: %zu x %u, exact neighbours of %zu queries in %.1f s\n", description.name.c_str(),
                 set->rows, set->dim, set->queries,
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    for (const index::Rotation rotation : request_.rotations.empty() ? description.rotations : request_.rotations) {
      RunRequest run = request_.run;
      run.metric = metric;
      run.rotation = rotation;
      measure(description.name, *set, truth, run);
    }
  }
}

void KindsTable::measure(const std::string& name, const LoadedSet& set, const tests::ExactAnswers& truth,
                         const RunRequest& run) {
  const std::string label = label_of(name, run);
  try {
    const KindFigures figures = run_kind(set, truth, run);
    add(name, set, run, figures);
    const Way& usual = figures.ways.front();
    std::fprintf(stderr, "  %s: recall@10 %.4f, recall@100 %.4f\n", label.c_str(), usual.at10.recall,
                 usual.at100.recall);
    notes_.push_back(label + ": " + joined(figures.build.notes));
    if (usual.at10.recall < request_.want) missed_.push_back(label);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "  %s: %s\n", label.c_str(), error.what());
    failed_.push_back(label + " (" + error.what() + ")");
  }
}

void KindsTable::add(const std::string& name, const LoadedSet& set, const RunRequest& run, const KindFigures& figures) {
  const auto per_row = [&](std::uint64_t bytes) {
    return fixed(static_cast<double>(bytes) / static_cast<double>(set.rows), 0);
  };
  const Way& usual = figures.ways.front();
  std::vector<std::string> cells = {name,
                                    std::string(index::to_string(run.metric)),
                                    std::string(index::to_string(run.rotation)),
                                    std::to_string(set.rows),
                                    std::to_string(set.dim),
                                    fixed(usual.at10.recall, 4),
                                    fixed(usual.at100.recall, 4),
                                    fixed(usual.at10.microseconds, 0),
                                    fixed(usual.at100.microseconds, 0),
                                    fixed(usual.at10.scanned, 2)};
  for (std::size_t w = 1; w < figures.ways.size(); ++w) {
    cells.push_back(fixed(figures.ways[w].at10.recall, 4));
    cells.push_back(fixed(figures.ways[w].at100.recall, 4));
    cells.push_back(fixed(figures.ways[w].at10.microseconds, 0));
  }
  const index::MemoryReport& memory = figures.memory;
  cells.push_back(fixed(figures.build.seconds, 1));
  cells.push_back(per_row(memory.links));
  cells.push_back(per_row(memory.codes + memory.tail));
  cells.push_back(per_row(memory.mapped_codes + memory.rows + memory.ids));
  shown_.add(cells);
  cells.push_back(joined(figures.build.notes));
  csv_.add(std::move(cells));
}

bool KindsTable::tell(std::ostream& out) const {
  shown_.print(out);
  out << '\n';
  for (const std::string& note : notes_) out << note << '\n';
  if (!skipped_.empty())
    out << "Skipped, not in " << (request_.set.shared / "data").string() << ": " << joined(skipped_) << '\n';
  if (!failed_.empty()) out << "Failed: " << joined(failed_) << '\n';
  if (!missed_.empty()) out << "Below " << request_.want << " at k = 10: " << joined(missed_) << '\n';
  if (!request_.csv.empty()) {
    std::ofstream file(request_.csv);
    csv_.write_csv(file);
  }
  return failed_.empty() && missed_.empty();
}

}  // namespace nestor::bench::kinds
