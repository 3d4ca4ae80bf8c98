#pragma once
// Random numbers that are the same on every machine: std::mt19937_64, whose output the standard fixes, and transforms
// of our own, since those of <random> differ from library to library. What is left to the machine is the last bit of
// log and cos in double, before values are rounded to float.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <random>

namespace nestor::tests {

class SeededRandom {
 public:
  // Streams of one seed have nothing to do with each other.
  SeededRandom(std::uint64_t seed, std::uint64_t stream) : engine_(scrambled(scrambled(seed) ^ stream)) {}

  // In (0, 1), never an end, so that its logarithm is finite.
  double uniform() { return (static_cast<double>(engine_() >> 11) + 0.5) * 0x1p-53; }
  // 0 .. count - 1. The bias of the remainder is below count / 2^64.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }

  // Box and Muller (1958), both values of a pair used.
  double normal() {
    if (has_second_) {
      has_second_ = false;
      return second_;
    }
    const double radius = std::sqrt(2 * exponential());
    const double angle = 2 * std::numbers::pi * uniform();
    second_ = radius * std::sin(angle);
    has_second_ = true;
    return radius * std::cos(angle);
  }
  double exponential() { return -std::log(uniform()); }
  // Student's t with two degrees of freedom: normal / sqrt(chi2 / 2). Its variance is infinite.
  double student_t2() { return normal() / std::sqrt(exponential()); }
  // Knuth's product of uniforms; O(mean).
  unsigned poisson(double mean) {
    const double end = std::exp(-mean);
    unsigned count = 0;
    for (double product = uniform(); product > end; product *= uniform()) ++count;
    return count;
  }

 private:
  // The finisher of splitmix64 (Steele, Lea, Flood 2014).
  static std::uint64_t scrambled(std::uint64_t z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

  std::mt19937_64 engine_;
  double second_ = 0;
  bool has_second_ = false;
};

}  // namespace nestor::tests
