#include <cmath>
#include <functional>
#include <iostream>

#include "bench/ann/curve.h"
#include "bench/ann/machine.h"
#include "bench/ann/report.h"
#include "bench/table.h"

namespace nestor::bench::ann {
namespace {

double per_row(const Report& report, double bytes) { return bytes / static_cast<double>(report.data->rows); }

std::vector<std::string> with_targets(std::vector<std::string> columns) {
  for (const double target : kTargets) columns.push_back("@" + fixed(target, target > 0.99 ? 3 : 2));
  return columns;
}

void print_engines(std::ostream& out, const Report& report) {
  Table table({"engine", "build s", "threads", "storing rows s", "bytes/vector", "RSS heap", "RSS file", "ready in s"});
  for (std::size_t i = 0; i < report.contestants.size(); ++i) {
    const ReadyEngine& ready = (*report.engines)[i];
    table.add({report.contestants[i].name, fixed(ready.cost.seconds, 1), std::to_string(ready.cost.threads),
               fixed(ready.cost.ingest_seconds, 1), grouped(per_row(report, static_cast<double>(ready.reported_bytes))),
               grouped(per_row(report, ready.resident_anonymous)), grouped(per_row(report, ready.resident_file)),
               fixed(ready.open_seconds, 2)});
  }
  table.print(out);
  out << "bytes/vector: as the engine reports them, rows included. RSS: growth of this process per vector when the "
         "index was\n"
         "opened and asked once; file pages are a cache of the index file and can be dropped. ready: opening and one "
         "answer.\n";
  for (std::size_t i = 0; i < report.contestants.size(); ++i)
    if (const std::string parts = report.contestants[i].engine->bytes_by_part(); !parts.empty())
      out << "  " << report.contestants[i].name << ": " << parts << '\n';
}

void print_curves(std::ostream& out, const Report& report) {
  const bool batches = report.plan.threads > 1;
  std::vector<std::string> columns = {
      "engine, setting", report.plan.quality(), "QPS",         "min",     "max",     "quiet", "p50 us",
      "p99 us",          "distances",           "coordinates", "int8 KB", "float KB"};
  if (batches)
    columns.insert(columns.end(), {"batch QPS, 1 thread", std::to_string(report.plan.threads) + " threads", "gain"});
  Table table(columns);
  for (const Series& s : report.series) {
    double lowest = s.qps(0), highest = s.qps(0);
    std::vector<double> one, all, gain;
    for (std::size_t r = 0; r < s.seconds.size(); ++r) {
      lowest = std::min(lowest, s.qps(r));
      highest = std::max(highest, s.qps(r));
      if (!batches) continue;
      one.push_back(s.batch_qps(r, false));
      all.push_back(s.batch_qps(r, true));
      gain.push_back(all.back() / one.back());
    }
    const auto known = [&](double value, int digits) { return s.work.known ? fixed(value, digits) : std::string("-"); };
    std::vector<std::string> cells = {report.contestants[s.entry.contestant].name + ", " + s.setting.label,
                                      fixed(s.recall, 4),
                                      grouped(s.median_qps()),
                                      grouped(lowest),
                                      grouped(highest),
                                      grouped(s.quiet_qps()),
                                      fixed(s.latency(0.5) * 1e6, 1),
                                      fixed(s.latency(0.99) * 1e6, 1),
                                      known(s.work.evaluations, 0),
                                      known(s.work.coordinates, 0),
                                      known(s.work.code_bytes / 1024, 1),
                                      known(s.work.float_bytes / 1024, 1)};
    if (batches) cells.insert(cells.end(), {grouped(median(one)), grouped(median(all)), fixed(median(gain), 2)});
    table.add(cells);
  }
  table.print(out);
  for (const Series& s : report.series)
    if (s.work.query_multiply_adds > 0) {
      out << "Not among the coordinates: " << report.contestants[s.entry.contestant].name << " transforms each query, "
          << grouped(s.work.query_multiply_adds) << " multiply-adds (" << s.setting.label << ").\n";
      break;
    }
}

void print_speeds(std::ostream& out, const Report& report, Clocking clocking) {
  Table speeds(with_targets({"QPS"}));
  for (std::size_t c = 0; c < report.contestants.size(); ++c) {
    std::vector<std::string> cells = {report.contestants[c].name};
    for (const double target : kTargets) {
      const auto reading = median_reading(report.series, c, target, clocking);
      cells.push_back(!reading ? "not reached" : (reading->at_least ? ">= " : "") + grouped(reading->qps));
    }
    speeds.add(cells);
  }
  speeds.print(out);
}

std::string ratio_text(const std::optional<Ratio>& ratio) {
  if (!ratio) return "-";
  std::string text = fixed(ratio->median, 2) + " (" + fixed(ratio->lowest, 2) + "-" + fixed(ratio->highest, 2) + ")";
  if (ratio->at_least_a) text += " a";
  if (ratio->at_least_b) text += " b";
  return text;
}

void print_ratios(std::ostream& out, const Report& report, std::size_t nestor, Clocking clocking) {
  Table ratios(with_targets({"nestor / peer"}));
  for (std::size_t c = 0; c < report.contestants.size(); ++c) {
    if (c == nestor) continue;
    std::vector<std::string> cells = {report.contestants[c].name};
    for (const double target : kTargets)
      cells.push_back(ratio_text(ratio_at(report.series, nestor, c, target, clocking)));
    ratios.add(cells);
    if (clocking != Clocking::single) continue;
    std::vector<std::string> quiet = {"  quiet"};
    for (const double target : kTargets) {
      const auto ratio = ratio_at(report.series, nestor, c, target, Clocking::quiet);
      quiet.push_back(ratio ? fixed(ratio->median, 2) : "-");
    }
    ratios.add(quiet);
  }
  ratios.print(out);
  if (clocking == Clocking::single)
    out << "quiet: from each query's fastest round, for machines that others use as well. ";
  out << "Median (lowest-highest) of the rounds' ratios. a, b: Nestor's or the peer's curve begins above this recall "
         "and its\n"
         "fastest point stands for it. -: one of the two does not get there.\n";
}

void print_work(std::ostream& out, const Report& report, std::size_t nestor) {
  struct Quantity {
    const char* name;
    double (*of)(const Series&);
  };
  const Quantity quantities[] = {
      {"distances", [](const Series& s) { return s.work.evaluations; }},
      {"coordinates", [](const Series& s) { return s.work.coordinates; }},
      {"bytes", [](const Series& s) { return s.work.code_bytes + s.work.float_bytes; }},
  };
  Table table(with_targets({"per query"}));
  for (std::size_t c = 0; c < report.contestants.size(); ++c)
    for (const Quantity& quantity : quantities) {
      std::vector<std::string> cells = {report.contestants[c].name + ", " + quantity.name};
      for (const double target : kTargets) {
        const auto value = read_quantity(report.series, c, target, quantity.of);
        const auto ours = read_quantity(report.series, nestor, target, quantity.of);
        std::string cell = value ? grouped(*value) : "-";
        if (value && ours && c != nestor) cell += " (" + fixed(*value / *ours, 1) + "x)";
        cells.push_back(cell);
      }
      table.add(cells);
    }
  table.print(out);
  out << "Vector data only: links are not counted. In brackets: the peer over Nestor.\n";
}

// Settings of Nestor that are points of their own: what a user gets who tunes nothing.
void print_defaults(std::ostream& out, const Report& report, std::size_t nestor) {
  for (const Series& s : report.series) {
    if (s.entry.contestant != nestor || s.setting.on_curve) continue;
    out << "Nestor's " << s.setting.label << " policy: " << report.plan.quality() << ' ' << fixed(s.recall, 4) << " at "
        << grouped(s.median_qps()) << " QPS";
    for (std::size_t c = 0; c < report.contestants.size(); ++c) {
      std::vector<double> ratios;
      bool edge = false;
      for (std::size_t r = 0; r < s.seconds.size(); ++r)
        if (const auto reading = read_curve(curve_of(report.series, c, r, Clocking::single), s.recall)) {
          ratios.push_back(s.qps(r) / reading->qps);
          edge = reading->at_least;
        }
      if (!ratios.empty())
        out << "; " << (c == nestor ? "of its tuned curve there " : "over " + report.contestants[c].name + " ")
            << fixed(median(ratios), 2) << (edge ? " (at its fastest point)" : "");
    }
    out << ".\n";
  }
}

}  // namespace

void print_machine(std::ostream& out, const Report& report) {
  const ComparisonData& data = *report.data;
  out << "Machine: " << cpu_model() << ", " << cpu_count() << " cores, " << cpu_features() << '\n'
      << "Data: " << data.name << ", " << grouped(static_cast<double>(data.rows)) << " rows of " << data.dim << ", "
      << name_of(data.distance) << "; exact neighbours " << report.truth_source << '\n'
      << "Queries: " << data.tune << " chose the settings (of " << report.settings_tried << " tried, "
      << report.tune_rounds << " rounds), the other " << data.test << " are reported; k = " << report.plan.k << ", "
      << report.plan.rounds << " interleaved rounds, one query at a time on one thread"
      << (report.plan.pin >= 0 ? ", pinned to core " + std::to_string(report.plan.pin) : "")
      << (report.plan.threads > 1 ? "; then batches on 1 and " + std::to_string(report.plan.threads) + " threads" : "")
      << '\n';
  for (const Contestant& contestant : report.contestants)
    out << "Engine " << contestant.name << ": " << contestant.engine->description() << '\n';
  out << '\n';
}

void print_report(std::ostream& out, const Report& report) {
  print_engines(out, report);
  out << '\n';
  print_curves(out, report);
  std::size_t nestor = report.contestants.size();
  for (std::size_t c = 0; c < report.contestants.size(); ++c)
    if (report.contestants[c].name == "nestor") nestor = c;
  struct Section {
    Clocking clocking;
    std::string title;
  };
  std::vector<Section> sections = {{Clocking::single, "One query at a time, one thread"}};
  if (report.plan.threads > 1)
    sections.push_back({Clocking::batch_all, "Batches on " + std::to_string(report.plan.threads) + " threads"});
  for (const Section& section : sections) {
    out << '\n' << section.title << '\n';
    print_speeds(out, report, section.clocking);
    if (nestor == report.contestants.size() || report.contestants.size() == 1) continue;
    out << '\n';
    print_ratios(out, report, nestor, section.clocking);
  }
  if (nestor == report.contestants.size()) return;
  out << '\n';
  print_work(out, report, nestor);
  out << '\n';
  print_defaults(out, report, nestor);
}

}  // namespace nestor::bench::ann
