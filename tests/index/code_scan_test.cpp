#include <algorithm>
#include <cmath>

#include "index/code_bound.h"
#include "index/error.h"
#include "index/exact_scan.h"
#include "index/generation_builder.h"
#include "index/row_list.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

using namespace nestor::tests;

namespace {

constexpr std::size_t kDim = 80, kRows = 3000;

struct Case {
  Metric metric;
  Rotation rotation;
  ScalarType scalar;
};

// A generation over kRows clustered rows, a few of them far outside the range that codes cover.
struct Built {
  explicit Built(const Case& c, WalkCodes walk_codes = WalkCodes::whole) : Built(c, spiked_rows(), walk_codes) {}
  Built(const Case& c, std::vector<float> rows, WalkCodes walk_codes = WalkCodes::whole) {
    const std::size_t count = rows.size() / kDim;
    options.dim = kDim;
    options.metric = c.metric;
    options.scalar_type = c.scalar;
    options.rotation = c.rotation;
    options.walk_codes = walk_codes;
    options.widths = {16, 48, 80};
    options.graphs = {48};
    options.graph.candidates_at_build = 10;
    options.graph.max_links = 4;
    options.exact_below = 100;
    options = options.validated();
    WriteOperation operation;
    operation.sequence = 1;
    operation.next_slot = static_cast<Slot>(count);
    for (std::size_t r = 0; r < count; ++r) {
      prepare_vector(options, {rows.data() + r * kDim, kDim}, rows.data() + r * kDim);
      operation.upserts.push_back(
          {PointId::number(r), static_cast<Slot>(r), kNoSlot, {rows.data() + r * kDim, kDim}, {}, {}});
    }
    records.write(operation);
    built = build_generation(records, options, nullptr,
                             {.threads = 1, .deterministic = true, .wanted_recall = {}, .only_as_asked = true, .queries = {}, .progress = {}});
    generation = Generation::open(built->loaded(), options);
  }
  static std::vector<float> spiked_rows() {
    auto rows = nested_vectors(kRows, kDim, 7);
    for (std::size_t r = 0; r < kRows; r += 97) rows[r * kDim + r % kDim] *= 40;
    return rows;
  }
  std::vector<PreparedQuery> queries(std::size_t count, std::uint32_t width) const {
    const auto values = nested_vectors(count, kDim, 9);
    SearchOptions search;
    search.width = width;
    std::vector<PreparedQuery> out;
    for (std::size_t q = 0; q < count; ++q)
      out.push_back(prepare_query(options, *generation, {values.data() + q * kDim, kDim}, search));
    return out;
  }

  CollectionOptions options;
  MemoryRecordStore records;
  std::shared_ptr<BuiltGeneration> built;
  std::shared_ptr<const Generation> generation;
};

std::vector<const PreparedQuery*> pointers(const std::vector<PreparedQuery>& queries) {
  std::vector<const PreparedQuery*> out;
  for (const auto& q : queries) out.push_back(&q);
  return out;
}

void check_same(const std::vector<RowAnswer>& got, const std::vector<RowAnswer>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t q = 0; q < got.size(); ++q) {
    REQUIRE(got[q].rows.size() == expected[q].rows.size());
    for (std::size_t i = 0; i < got[q].rows.size(); ++i) {
      INFO("query " << q << ", place " << i);
      REQUIRE(got[q].rows[i].row == expected[q].rows[i].row);
      REQUIRE(got[q].rows[i].distance == expected[q].rows[i].distance);
    }
  }
}

const std::vector<Case> kCases{
    {Metric::l2, Rotation::none, ScalarType::float32},    {Metric::l2, Rotation::none, ScalarType::float16},
    {Metric::l2, Rotation::pca, ScalarType::float32},     {Metric::cosine, Rotation::none, ScalarType::float16},
    {Metric::cosine, Rotation::pca, ScalarType::float32}, {Metric::dot, Rotation::none, ScalarType::float32},
    {Metric::dot, Rotation::pca, ScalarType::float32}};

std::string name(const Case& c) {
  return std::string(to_string(c.metric)) + (c.rotation == Rotation::pca ? " rotated" : "") +
         (c.scalar == ScalarType::float16 ? " float16" : "");
}

}  // namespace

TEST_CASE("a scan of codes gives the rows, distances and ties of a scan of the rows") {
  INFO("seed " << test_seed());
  for (const Case& c : kCases)
    for (const WalkCodes walk_codes : {WalkCodes::whole, WalkCodes::leading_bits}) {
      const Built b(c, walk_codes);
      std::vector<std::uint32_t> all(kRows), few;
      for (std::uint32_t r = 0; r < kRows; ++r) {
        all[r] = r;
        if (r % 61 == 3) few.push_back(r);
      }
      for (const std::uint32_t width : b.options.widths)
        for (const std::size_t count : {1, 3, 70})
          for (const std::uint32_t k : {1u, 10u, 700u}) {
            if (count == 70 && k != 10) continue;
            INFO(name(c) << (walk_codes == WalkCodes::whole ? "" : ", split codes") << ", width " << width << ", "
                         << count << " queries, k " << k);
            const auto queries = b.queries(count, width);
            const auto asked = pointers(queries);
            const ScanRequest request{b.generation.get(), c.metric, kDim, asked, k, false};
            for (const auto* rows : {&all, &few})
              check_same(scan_generation(request, *rows), scan_rows(request, *rows));
          }
    }
}

TEST_CASE("a sample that misleads the scan costs a second look, never a row") {
  INFO("seed " << test_seed());
  constexpr std::size_t kMany = 20000, kSampledGroup = 64 * 16;
  auto rows = nested_vectors(kMany, kDim, 7);
  // The groups that the sample takes are near every query, all others far.
  for (std::size_t r = 0; r < kMany; ++r)
    for (std::size_t j = 0; j < kDim; ++j)
      rows[r * kDim + j] = 0.05f * rows[r * kDim + j] + (r % kSampledGroup < 16 ? 0.0f : 1.0f);
  for (const Rotation rotation : {Rotation::none, Rotation::pca}) {
    const Built b({Metric::l2, rotation, ScalarType::float32}, rows);
    std::vector<std::uint32_t> all(kMany);
    for (std::uint32_t r = 0; r < kMany; ++r) all[r] = r;
    for (const std::size_t count : {1, 5})
      for (const std::uint32_t k : {10u, 700u}) {
        INFO(to_string(rotation) << ", " << count << " queries, k " << k);
        const auto queries = b.queries(count, kDim);
        const auto asked = pointers(queries);
        const ScanRequest request{b.generation.get(), Metric::l2, kDim, asked, k, false};
        check_same(scan_generation(request, all), scan_rows(request, all));
      }
  }
}

TEST_CASE("codes serve every squared distance, and every product that they cover whole") {
  for (const Case& c : kCases) {
    const Built b(c);
    for (const std::uint32_t width : b.options.widths) {
      INFO(name(c) << ", width " << width);
      const auto queries = b.queries(1, width);
      const auto asked = pointers(queries);
      const std::size_t coded = b.generation->quantizer().dim();
      const bool expected = c.metric == Metric::l2 || (c.metric == Metric::dot && width <= coded) ||
                            (c.metric == Metric::cosine && width == kDim && coded == kDim);
      CHECK(scans_codes({b.generation.get(), c.metric, kDim, asked, 10, false}) == expected);
    }
  }
}

TEST_CASE("few rows survive to be ranked exactly, and the report says how many") {
  const Built b(kCases[0]);
  const auto queries = b.queries(8, kDim);
  const auto asked = pointers(queries);
  std::vector<std::uint32_t> all(kRows);
  for (std::uint32_t r = 0; r < kRows; ++r) all[r] = r;
  const auto answers = scan_generation({b.generation.get(), Metric::l2, kDim, asked, 10, true}, all);
  for (const RowAnswer& answer : answers) {
    REQUIRE(answer.stages.size() == 2);
    CHECK(answer.stages[0].name == "scan");
    CHECK(answer.stages[0].distance_evaluations == kRows);
    CHECK(answer.stages[1].name == "rerank");
    CHECK(answer.stages[1].candidates_in >= 10);
    CHECK(answer.stages[1].candidates_in < kRows / 10);
  }
}

TEST_CASE("no row's code is further from it than its error byte says, and most bytes are not far above") {
  for (const Case& c : kCases) {
    const Built b(c);
    const Generation& g = *b.generation;
    const CodeBound& bound = g.code_bound();
    std::vector<std::uint8_t> code(g.quantizer().row_length());
    std::vector<float> row(kDim), coded(g.quantizer().dim());
    double told = 0, true_sum = 0;
    std::size_t unknown = 0;
    for (std::uint32_t r = 0; r < kRows; ++r) {
      REQUIRE(b.records.read_vector(r, row));
      coded.assign(row.begin(), row.begin() + static_cast<long>(coded.size()));
      if (g.rotation() != nullptr) g.rotation()->apply(row, coded);
      g.quantizer().encode(coded.data(), code.data());
      double error = 0;
      for (std::size_t j = 0; j < coded.size(); ++j) {
        const double decoded =
            double{g.quantizer().offset(j)} + double{g.quantizer().step(j)} * code[g.quantizer().position(j)];
        error += (coded[j] - decoded) * (coded[j] - decoded);
      }
      INFO(name(c) << ", row " << r);
      if (bound.errors()[r] == CodeBound::kUnknown) {  // looked at by every scan
        ++unknown;
        continue;
      }
      REQUIRE(std::sqrt(error) <= bound.error(bound.errors()[r]));
      told += bound.error(bound.errors()[r]);
      true_sum += std::sqrt(error);
    }
    CHECK(unknown < kRows / 50);
    CHECK(told < true_sum * 1.5 + kRows * 2 * bound.unit());
  }
}

TEST_CASE("a row outside the limits of a generation gets the byte that excludes nothing") {
  std::vector<CodeError> rows{{0.5f, 2, 3, 0.1f}, {0.1f, 1, 1, 0}, {0, 0, 0, 0}};
  const auto bytes = CodeBound::to_bytes(rows);
  const CodeBound bound(bytes, 3);
  CHECK(bound.error(bound.errors()[0]) >= 0.5);
  CHECK(bound.errors()[2] == 0);
  CHECK(bound.byte_of({0.1f, 1, 1, 0}) == bound.errors()[1]);
  CHECK(bound.byte_of({0.6f, 1, 1, 0}) == CodeBound::kUnknown);
  CHECK(bound.byte_of({0.1f, 2.1f, 1, 0}) == CodeBound::kUnknown);
  CHECK(bound.byte_of({0.1f, 1, 3.1f, 0}) == CodeBound::kUnknown);
  CHECK(bound.byte_of({0.1f, 1, 1, 0.2f}) == CodeBound::kUnknown);
  CHECK_THROWS_AS(CodeBound(bytes, 4), Error);
  CHECK_THROWS_AS(CodeBound({}, 0), Error);
  auto other = bytes;
  other[0] = std::byte{9};
  CHECK_THROWS_AS(CodeBound(other, 3), Error);
}

TEST_CASE("a tail is scanned by codes as it is row by row, rows beyond the generation's limits included") {
  INFO("seed " << test_seed());
  for (const Case& c : kCases) {
    const Built b(c);
    Tail coded(kDim, RowCoder::of(b.generation)), plain(kDim);
    auto rows = nested_vectors(2500, kDim, 21);
    for (std::size_t r = 0; r < 2500; ++r) {
      if (r % 50 == 0)
        for (std::size_t j = 0; j < kDim; ++j) rows[r * kDim + j] *= 9;
      if (r % 50 == 1) rows[r * kDim + 5] += 30;
      prepare_vector(b.options, {rows.data() + r * kDim, kDim}, rows.data() + r * kDim);
      for (Tail* tail : {&coded, &plain})
        tail->append({static_cast<Slot>(kRows + r), PointEntry::make(PointId::number(r), 1), 0},
                     {rows.data() + r * kDim, kDim});
    }
    coded.publish();
    plain.publish();
    DeadSlots dead;
    dead.reserve(kRows + 2500);
    for (Slot s = kRows; s < kRows + 2500; s += 11) dead.insert(s);
    const RowFilter filter(*b.generation, dead, {});
    for (const std::size_t count : {1, 20})
      for (const std::uint32_t k : {5u, 300u}) {
        INFO(name(c) << ", " << count << " queries, k " << k);
        const auto queries = b.queries(count, kDim);
        const auto asked = pointers(queries);
        const ScanRequest request{b.generation.get(), c.metric, kDim, asked, k, false};
        CHECK(scan_tail(request, coded, 2500, filter) == scan_tail(request, plain, 2500, filter));
        CHECK(scan_tail(request, coded, 1100, filter) == scan_tail(request, plain, 1100, filter));
      }
  }
}

TEST_CASE("rows to scan are those alive and allowed, however their slots are spread") {
  const Built b(kCases[0]);
  DeadSlots dead;
  dead.reserve(kRows);
  std::vector<std::uint64_t> allowed(kRows / 64 + 3, 0);
  for (const Slot s : {0u, 1u, 63u, 64u, 700u, 2999u}) allowed[s / 64] |= std::uint64_t{1} << (s % 64);
  allowed[kRows / 64 + 2] = 1;  // beyond the generation
  CHECK(list_rows(*b.generation, dead, {}).size() == kRows);
  CHECK(list_rows(*b.generation, dead, allowed) == std::vector<std::uint32_t>{0, 1, 63, 64, 700, 2999});
  dead.insert(63);
  CHECK(list_rows(*b.generation, dead, allowed) == std::vector<std::uint32_t>{0, 1, 64, 700, 2999});
  CHECK(list_rows(*b.generation, dead, {}).size() == kRows - 1);
  CHECK(list_rows(*b.generation, dead, std::vector<std::uint64_t>{0}).empty());
}
