#pragma once
// Recall against speed: which settings make an engine's curve, what it reads off at a wanted recall, and how two
// engines compare there.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/ann/rounds.h"

namespace nestor::bench::ann {

inline constexpr double kTargets[] = {0.90, 0.95, 0.98, 0.99, 0.998};

// quiet: single searches, each query in its fastest round; the same whatever the round.
enum class Clocking { single, quiet, batch_one, batch_all };

struct CurvePoint {
  double recall = 0;
  double qps = 0;
};

// Points of one contestant in one round, ascending by recall; those off the curve left out.
std::vector<CurvePoint> curve_of(const std::vector<Series>& all, std::size_t contestant, std::size_t round,
                                 Clocking clocking);

struct Reading {
  double qps = 0;
  bool at_least = false;  // the curve begins above the target: its fastest point stands for it
};
// log QPS is taken to be straight in recall between neighbouring points. None: the curve does not reach `recall`.
std::optional<Reading> read_curve(const std::vector<CurvePoint>& curve, double recall);

// The same for any quantity of the series (evaluations, bytes), which does not change from round to round.
std::optional<double> read_quantity(const std::vector<Series>& all, std::size_t contestant, double recall,
                                    double (*quantity)(const Series&));

// Median and range over the rounds of QPS(a) / QPS(b) at one recall, each round's ratio taken within the round.
struct Ratio {
  double median = 0, lowest = 0, highest = 0;
  bool at_least_a = false, at_least_b = false;
};
std::optional<Ratio> ratio_at(const std::vector<Series>& all, std::size_t a, std::size_t b, double recall,
                              Clocking clocking);

// Median over the rounds.
std::optional<Reading> median_reading(const std::vector<Series>& all, std::size_t contestant, double recall,
                                      Clocking clocking);

// The settings worth testing, by what they did on the tuning queries: per contestant those that no other one beats
// in both recall and speed, thinned to `most`. Settings that are off the curve always stay.
std::vector<Entry> choose_settings(const std::vector<Series>& tuned, std::size_t most);

}  // namespace nestor::bench::ann
