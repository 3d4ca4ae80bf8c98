#include "bench/ann/curve.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace nestor::bench::ann {
namespace {

std::size_t rounds_of(const std::vector<Series>& all) { return all.empty() ? 0 : all.front().seconds.size(); }

double qps_of(const Series& series, std::size_t round, Clocking clocking) {
  if (clocking == Clocking::single) return series.qps(round);
  if (clocking == Clocking::quiet) return series.quiet_qps();
  const bool on_all = clocking == Clocking::batch_all;
  return (on_all ? series.batch_all : series.batch_one).empty() ? 0 : series.batch_qps(round, on_all);
}

// Straight between the two points around x; xs ascending.
double between(double x, double x0, double y0, double x1, double y1) {
  return x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : y1;
}

// Recall on a scale where 0.9, 0.99 and 0.999 are equally far apart.
double nines(double recall) { return -std::log10(std::max(1e-5, 1 - recall)); }

// What is fastest for its recall, slowest last. A setting must be 2 % slower to be beaten: less is noise.
std::vector<const Series*> frontier(std::vector<const Series*> all) {
  std::sort(all.begin(), all.end(), [](const Series* a, const Series* b) {
    return a->recall != b->recall ? a->recall > b->recall : a->quiet_qps() > b->quiet_qps();
  });
  std::vector<const Series*> kept;
  // A few hundred queries cannot tell 0.9995 from 1. The slowest of those that look perfect may be the only one that
  // reaches the last target on other queries.
  const Series* widest = all.front();
  for (const Series* series : all)
    if (series->recall == all.front()->recall && series->quiet_qps() < widest->quiet_qps()) widest = series;
  if (widest != all.front()) kept.push_back(widest);
  double best = 0;
  for (const Series* series : all) {
    if (series->quiet_qps() * 1.02 < best || (best > 0 && kept.back()->recall == series->recall)) continue;
    best = std::max(best, series->quiet_qps());
    kept.push_back(series);
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

void thin(std::vector<const Series*>& kept, std::size_t most) {
  // What lies below every target tells least; one point there is enough to interpolate from.
  while (kept.size() > 2 && kept[1]->recall < kTargets[0]) kept.erase(kept.begin());
  while (kept.size() > std::max<std::size_t>(most, 2)) {
    std::size_t crowded = 1;
    double least = 1e300;
    for (std::size_t i = 1; i + 1 < kept.size(); ++i) {
      const double room = nines(kept[i + 1]->recall) - nines(kept[i - 1]->recall);
      if (room < least) {
        least = room;
        crowded = i;
      }
    }
    kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(crowded));
  }
}

}  // namespace

std::vector<CurvePoint> curve_of(const std::vector<Series>& all, std::size_t contestant, std::size_t round,
                                 Clocking clocking) {
  std::vector<CurvePoint> curve;
  for (const Series& series : all)
    if (series.entry.contestant == contestant && series.setting.on_curve)
      if (const double qps = qps_of(series, round, clocking); qps > 0) curve.push_back({series.recall, qps});
  std::sort(curve.begin(), curve.end(), [](const CurvePoint& a, const CurvePoint& b) {
    return a.recall != b.recall ? a.recall < b.recall : a.qps < b.qps;
  });
  return curve;
}

std::optional<Reading> read_curve(const std::vector<CurvePoint>& curve, double recall) {
  if (curve.empty() || curve.back().recall < recall) return std::nullopt;
  if (curve.front().recall >= recall) return Reading{curve.front().qps, curve.front().recall > recall};
  for (std::size_t i = 1; i < curve.size(); ++i)
    if (curve[i].recall >= recall)
      return Reading{std::exp(between(recall, curve[i - 1].recall, std::log(curve[i - 1].qps), curve[i].recall,
                                      std::log(curve[i].qps))),
                     false};
  return std::nullopt;
}

std::optional<double> read_quantity(const std::vector<Series>& all, std::size_t contestant, double recall,
                                    double (*quantity)(const Series&)) {
  std::vector<CurvePoint> points;
  for (const Series& series : all)
    if (series.entry.contestant == contestant && series.setting.on_curve && quantity(series) > 0)
      points.push_back({series.recall, quantity(series)});
  std::sort(points.begin(), points.end(), [](const CurvePoint& a, const CurvePoint& b) { return a.recall < b.recall; });
  const auto reading = read_curve(points, recall);
  return reading ? std::optional(reading->qps) : std::nullopt;
}

std::optional<Ratio> ratio_at(const std::vector<Series>& all, std::size_t a, std::size_t b, double recall,
                              Clocking clocking) {
  std::vector<double> ratios;
  Ratio out;
  for (std::size_t round = 0; round < rounds_of(all); ++round) {
    const auto of_a = read_curve(curve_of(all, a, round, clocking), recall);
    const auto of_b = read_curve(curve_of(all, b, round, clocking), recall);
    if (!of_a || !of_b) return std::nullopt;
    ratios.push_back(of_a->qps / of_b->qps);
    out.at_least_a = of_a->at_least;
    out.at_least_b = of_b->at_least;
  }
  if (ratios.empty()) return std::nullopt;
  out.median = median(ratios);
  out.lowest = *std::min_element(ratios.begin(), ratios.end());
  out.highest = *std::max_element(ratios.begin(), ratios.end());
  return out;
}

std::optional<Reading> median_reading(const std::vector<Series>& all, std::size_t contestant, double recall,
                                      Clocking clocking) {
  std::vector<double> qps;
  bool at_least = false;
  for (std::size_t round = 0; round < rounds_of(all); ++round) {
    const auto reading = read_curve(curve_of(all, contestant, round, clocking), recall);
    if (!reading) return std::nullopt;
    qps.push_back(reading->qps);
    at_least = reading->at_least;
  }
  if (qps.empty()) return std::nullopt;
  return Reading{median(qps), at_least};
}

std::vector<Entry> choose_settings(const std::vector<Series>& tuned, std::size_t most) {
  std::map<std::size_t, std::vector<const Series*>> by_contestant;
  std::vector<Entry> chosen;
  for (const Series& series : tuned) {
    if (series.setting.on_curve)
      by_contestant[series.entry.contestant].push_back(&series);
    else
      chosen.push_back(series.entry);
  }
  for (auto& [contestant, all] : by_contestant) {
    std::vector<const Series*> kept = frontier(all);
    thin(kept, most);
    for (const Series* series : kept) chosen.push_back(series->entry);
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const Entry& a, const Entry& b) { return a.contestant < b.contestant; });
  return chosen;
}

}  // namespace nestor::bench::ann
