#include "tests/support/data_shapes.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace nestor::tests {
namespace {

using Values = std::vector<float>;

Values normals(SeededRandom& random, std::size_t count) {
  Values values(count);
  for (float& v : values) v = static_cast<float>(random.normal());
  return values;
}

// Independent normal coordinates with these deviations around `centre`.
MakeVector normal_rows(Values deviations, float centre = 0) {
  return [deviations = std::move(deviations), centre](SeededRandom& random, std::size_t, std::span<float> out) {
    for (std::size_t j = 0; j < out.size(); ++j)
      out[j] = static_cast<float>(centre + static_cast<double>(deviations[j]) * random.normal());
  };
}
MakeVector normal_rows(std::uint32_t dim, float deviation = 1, float centre = 0) {
  return normal_rows(Values(dim, deviation), centre);
}

// Deviations (1 + j / unit)^-power.
Values falling(std::uint32_t dim, double unit, double power) {
  Values deviations(dim);
  for (std::size_t j = 0; j < dim; ++j)
    deviations[j] = static_cast<float>(std::pow(1 + static_cast<double>(j) / unit, -power));
  return deviations;
}

// `centres` [groups x dim], rows of a group one after the other, each a centre and `spread` times normal noise.
MakeVector grouped_rows(std::size_t rows, Values centres, std::uint32_t dim, double spread) {
  const std::size_t groups = centres.size() / dim;
  return [rows, groups, dim, spread, centres = std::move(centres)](SeededRandom& random, std::size_t number,
                                                                   std::span<float> out) {
    const float* centre = centres.data() + number * groups / rows * dim;
    for (std::size_t j = 0; j < dim; ++j) out[j] = static_cast<float>(centre[j] + spread * random.normal());
  };
}

// The mean deviation of a coordinate of these rows.
double mean_deviation(std::span<const float> rows, std::size_t dim) {
  const std::size_t count = rows.size() / dim;
  double deviations = 0;
  for (std::size_t j = 0; j < dim; ++j) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double v = rows[i * dim + j];
      sum += v;
      squares += v * v;
    }
    const double mean = sum / static_cast<double>(count);
    deviations += std::sqrt(std::max(0.0, squares / static_cast<double>(count) - mean * mean));
  }
  return deviations / static_cast<double>(dim);
}

MakeVector scaled(MakeVector make, double scale) {
  return [make = std::move(make), scale](SeededRandom& random, std::size_t number, std::span<float> out) {
    make(random, number, out);
    for (float& v : out) v = static_cast<float>(v * scale);
  };
}

// start + t direction; queries stand beside the line, so that only the place along it decides.
Shape line_by(std::uint32_t dim, SeededRandom& random, std::function<double(SeededRandom&, std::size_t)> place) {
  const auto start = std::make_shared<const Values>(normals(random, dim));
  const auto direction = std::make_shared<const Values>(normals(random, dim));
  const MakeVector row = [=](SeededRandom& r, std::size_t number, std::span<float> out) {
    const double t = place(r, number);
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<float>((*start)[j] + t * (*direction)[j]);
  };
  const MakeVector query = [=](SeededRandom& r, std::size_t number, std::span<float> out) {
    row(r, number, out);
    for (float& v : out) v = static_cast<float>(v + 0.01 * r.normal());
  };
  return {row, query};
}

// A few coordinates that are not zero, chosen by `choose`; exponential values.
Shape sparse_by(std::uint32_t dim, std::function<std::size_t(SeededRandom&)> choose) {
  const std::size_t filled = std::max<std::size_t>(1, dim / 20);
  return {[=](SeededRandom& random, std::size_t, std::span<float> out) {
    std::fill(out.begin(), out.end(), 0.0f);
    for (std::size_t n = 0; n < filled; ++n) out[choose(random)] = static_cast<float>(random.exponential());
  }};
}

}  // namespace

// ---- groups, copies, orders ----

Shape near_duplicates(const ShapeRequest& request, SeededRandom& random) {
  return {grouped_rows(request.rows, normals(random, 12 * request.dim), request.dim, 0.01)};
}

Shape noisy_copies(const ShapeRequest& request, SeededRandom& random) {
  const std::size_t values = std::max<std::size_t>(1, request.rows / 45) * request.dim;
  const auto given = request.bases.first(std::min(request.bases.size(), values));
  Values bases = given.empty() ? normals(random, values) : Values(given.begin(), given.end());
  const double noise = 0.03 * mean_deviation(bases, request.dim);
  return {grouped_rows(request.rows, std::move(bases), request.dim, noise)};
}

Shape exact_copies(const ShapeRequest& request, SeededRandom& random) {
  const std::size_t different = std::max<std::size_t>(1, request.rows / 100);
  return {grouped_rows(request.rows, normals(random, different * request.dim), request.dim, 0),
          normal_rows(request.dim)};
}

// Every second query is near the row that is there many times.
Shape one_row_many_times(const ShapeRequest& request, SeededRandom& random) {
  const auto same = std::make_shared<const Values>(normals(random, request.dim));
  const std::size_t copies = request.rows / 2;
  const MakeVector other = normal_rows(request.dim);
  const auto near_or_other = [=](double spread) -> MakeVector {
    return [=](SeededRandom& r, std::size_t number, std::span<float> out) {
      if (number >= copies) return other(r, number, out);
      for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<float>((*same)[j] + spread * r.normal());
    };
  };
  return {near_or_other(0), near_or_other(0.3)};
}

Shape sorted_clusters(const ShapeRequest& request, SeededRandom& random) {
  return {grouped_rows(request.rows, normals(random, 100 * request.dim), request.dim, 0.2)};
}

Shape nested_clusters(const ShapeRequest& request, SeededRandom& random) {
  constexpr std::size_t kClusters = 50;
  const auto deviations = std::make_shared<const Values>(falling(request.dim, 8, 0.6));
  const auto centres = std::make_shared<Values>(normals(random, kClusters * request.dim));
  for (std::size_t i = 0; i < centres->size(); ++i) (*centres)[i] *= (*deviations)[i % request.dim];
  return {[=](SeededRandom& r, std::size_t, std::span<float> out) {
    const float* centre = centres->data() + r.below(kClusters) * out.size();
    for (std::size_t j = 0; j < out.size(); ++j)
      out[j] = static_cast<float>(centre[j] + 0.7 * (*deviations)[j] * r.normal());
  }};
}

// ---- scales and places ----

Shape one_large_coordinate(const ShapeRequest& request, SeededRandom&) {
  Values deviations(request.dim, 1);
  deviations[request.dim / 10] = 1000;
  return {normal_rows(std::move(deviations))};
}

Shape two_large_coordinates(const ShapeRequest& request, SeededRandom&) {
  Values deviations(request.dim, 1);
  deviations[request.dim / 10] = 1000;
  deviations[request.dim / 2] = 30;
  return {normal_rows(std::move(deviations))};
}

Shape far_origin(const ShapeRequest& request, SeededRandom&) { return {normal_rows(request.dim, 1, 100)}; }
Shape very_far_origin(const ShapeRequest& request, SeededRandom&) { return {normal_rows(request.dim, 1, 10000)}; }

Shape constant_prefix(const ShapeRequest& request, SeededRandom&) {
  Values deviations(request.dim, 0);
  std::fill(deviations.end() - std::min<std::ptrdiff_t>(32, request.dim), deviations.end(), 1.0f);
  return {normal_rows(std::move(deviations), 1)};
}

Shape outside_queries(const ShapeRequest& request, SeededRandom&) {
  const MakeVector row = normal_rows(request.dim);
  return {row, [row](SeededRandom& random, std::size_t number, std::span<float> out) {
            row(random, number, out);
            out[0] -= 10;
          }};
}

// Two deviations of the logarithm either way span the three orders.
Shape long_rows(const ShapeRequest& request, SeededRandom&) {
  const MakeVector direction = normal_rows(request.dim);
  return {[direction](SeededRandom& random, std::size_t number, std::span<float> out) {
    direction(random, number, out);
    const double length = std::pow(10.0, 0.75 * random.normal());
    for (float& v : out) v = static_cast<float>(v * length);
  }};
}

Shape one_endless_row(const ShapeRequest& request, SeededRandom&) {
  const MakeVector ordinary = normal_rows(request.dim);
  const MakeVector row = [ordinary, middle = request.rows / 2](SeededRandom& random, std::size_t number,
                                                               std::span<float> out) {
    ordinary(random, number, out);
    const double scale = number == middle ? 1e15 / std::sqrt(static_cast<double>(out.size())) : 1;
    for (float& v : out) v = static_cast<float>(v * scale);
  };
  return {row, ordinary};
}

Shape two_scales(const ShapeRequest& request, SeededRandom&) {
  const MakeVector small = normal_rows(request.dim), large = normal_rows(request.dim, 1000);
  return {[=](SeededRandom& random, std::size_t number, std::span<float> out) {
    (number % 2 == 0 ? small : large)(random, number, out);
  }};
}

Shape tiny_scale(const ShapeRequest& request, SeededRandom&) { return {scaled(normal_rows(request.dim), 1e-20)}; }
Shape huge_scale(const ShapeRequest& request, SeededRandom&) { return {scaled(normal_rows(request.dim), 1e15)}; }

Shape denormals(const ShapeRequest& request, SeededRandom&) {
  const MakeVector ordinary = normal_rows(request.dim);
  return {[ordinary](SeededRandom& random, std::size_t number, std::span<float> out) {
            ordinary(random, number, out);
            for (float& v : out)
              if (random.uniform() < 0.25 || number % 10 == 9) v = static_cast<float>(v * 1e-40);
          },
          ordinary};
}

Shape heavy_tails(const ShapeRequest&, SeededRandom&) {
  return {[](SeededRandom& random, std::size_t, std::span<float> out) {
    for (float& v : out) v = static_cast<float>(random.student_t2());
  }};
}

// ---- spectra and dimensions ----

Shape flat_spectrum(const ShapeRequest& request, SeededRandom&) { return {normal_rows(request.dim)}; }
Shape steep_spectrum(const ShapeRequest& request, SeededRandom&) { return {normal_rows(falling(request.dim, 1, 1.5))}; }

Shape informative_last(const ShapeRequest& request, SeededRandom&) {
  Values deviations = falling(request.dim, 8, 0.9);
  std::reverse(deviations.begin(), deviations.end());
  return {normal_rows(std::move(deviations))};
}

Shape low_dimension(const ShapeRequest& request, SeededRandom& random) {
  constexpr std::size_t kHidden = 8;
  const auto directions = std::make_shared<const Values>(normals(random, kHidden * request.dim));
  return {[=](SeededRandom& r, std::size_t, std::span<float> out) {
    double hidden[kHidden];
    for (double& h : hidden) h = r.normal();
    for (std::size_t j = 0; j < out.size(); ++j) {
      double v = 0.05 * r.normal();
      for (std::size_t h = 0; h < kHidden; ++h) v += hidden[h] * (*directions)[h * out.size() + j];
      out[j] = static_cast<float>(v);
    }
  }};
}

// Quantiles of the logistic distribution, so that rows come in order; further coordinates are noise of 1 %.
Shape one_dimension(const ShapeRequest& request, SeededRandom&) {
  return {[rows = static_cast<double>(request.rows)](SeededRandom& random, std::size_t number, std::span<float> out) {
    const double p = (static_cast<double>(number) + random.uniform()) / rows;
    out[0] = static_cast<float>(std::log(p / (1 - p)));
    for (std::size_t j = 1; j < out.size(); ++j) out[j] = static_cast<float>(0.01 * random.normal());
  }};
}

Shape line(const ShapeRequest& request, SeededRandom& random) {
  return line_by(request.dim, random, [](SeededRandom& r, std::size_t) { return 10 * r.uniform(); });
}

Shape sorted_line(const ShapeRequest& request, SeededRandom& random) {
  return line_by(request.dim, random, [rows = static_cast<double>(request.rows)](SeededRandom& r, std::size_t number) {
    return 10 * (static_cast<double>(number) + r.uniform()) / rows;
  });
}

Shape sphere(const ShapeRequest& request, SeededRandom&) {
  const MakeVector direction = normal_rows(request.dim);
  return {[direction](SeededRandom& random, std::size_t number, std::span<float> out) {
    direction(random, number, out);
    double norm = 0;
    for (const float v : out) norm += static_cast<double>(v) * v;
    for (float& v : out) v = static_cast<float>(v / std::sqrt(norm));
  }};
}

// ---- alphabets ----

Shape sparse(const ShapeRequest& request, SeededRandom&) {
  return sparse_by(request.dim, [dim = request.dim](SeededRandom& random) { return random.below(dim); });
}

Shape sparse_words(const ShapeRequest& request, SeededRandom&) {
  return sparse_by(request.dim, [dim = request.dim](SeededRandom& random) {
    return static_cast<std::size_t>(dim * std::pow(random.uniform(), 2.5));
  });
}

// Queries lean to one coordinate a little more than to the others.
Shape one_hot(const ShapeRequest&, SeededRandom&) {
  const MakeVector row = [](SeededRandom& random, std::size_t, std::span<float> out) {
    std::fill(out.begin(), out.end(), 0.0f);
    out[random.below(out.size())] = 1;
  };
  return {row, [row](SeededRandom& random, std::size_t number, std::span<float> out) {
            row(random, number, out);
            for (float& v : out) v = static_cast<float>(v + 0.1 * random.normal());
          }};
}

Shape one_hot_weighted(const ShapeRequest&, SeededRandom&) {
  return {[](SeededRandom& random, std::size_t, std::span<float> out) {
    std::fill(out.begin(), out.end(), 0.0f);
    const std::size_t at = random.below(out.size());
    out[at] = static_cast<float>(std::exp(random.normal()));
  }};
}

Shape plus_minus_one(const ShapeRequest& request, SeededRandom& random) {
  constexpr std::size_t kHidden = 16;
  const auto directions = std::make_shared<const Values>(normals(random, kHidden * request.dim));
  return {[=](SeededRandom& r, std::size_t, std::span<float> out) {
    double hidden[kHidden];
    for (double& h : hidden) h = r.normal();
    for (std::size_t j = 0; j < out.size(); ++j) {
      double v = r.normal();
      for (std::size_t h = 0; h < kHidden; ++h) v += hidden[h] * (*directions)[h * out.size() + j];
      out[j] = v < 0 ? -1.0f : 1.0f;
    }
  }};
}

Shape counts(const ShapeRequest& request, SeededRandom& random) {
  Values means = normals(random, request.dim);
  for (float& m : means) m = std::exp(m);
  return {[means = std::move(means)](SeededRandom& r, std::size_t, std::span<float> out) {
    const double length = std::exp(0.5 * r.normal());
    for (std::size_t j = 0; j < out.size(); ++j) out[j] = static_cast<float>(r.poisson(length * means[j]));
  }};
}

}  // namespace nestor::tests
