#include "index/calibrator.h"

#include <memory>
#include <set>

#include "index/error.h"
#include "index/query_loss.h"
#include "tests/support/catch.h"
#include "tests/support/memory_store.h"
#include "tests/support/random_vectors.h"

using namespace nestor::tests;

namespace {

BuildOptions deterministic_build() {
  BuildOptions build;
  build.threads = 1;
  build.deterministic = true;
  return build;
}

constexpr std::size_t kDim = 32, kRows = 3000;

struct World {
  World() {
    options.dim = kDim;
    options.metric = Metric::l2;
    options.widths = {16, 32};
    options.exact_below = 100;
    options.graph.candidates_at_build = 60;
    open();
    insert(0, kRows, 1);
    collection->build(deterministic_build());
  }
  void open() { collection = std::make_unique<Collection>("test", options, records, generations); }
  void insert(std::uint64_t first, std::size_t count, std::uint64_t stream) {
    const auto rows = nested_vectors(count, kDim, stream);
    std::vector<Point> points;
    for (std::size_t i = 0; i < count; ++i)
      points.push_back({PointId::number(first + i), std::span(rows).subspan(i * kDim, kDim), {}, i % 50});
    collection->upsert(points);
  }
  CalibrationRequest request(std::size_t count = 600) {
    queries = nested_vectors(count, kDim, 2);
    CalibrationRequest r;
    r.queries = queries;
    r.count = count;
    r.epsilons = {0.1, 0.05};
    r.threads = 1;
    r.learn = false;
    return r;
  }
  Certification ask(double recall, std::uint32_t k = 10) {
    SearchOptions search;
    search.k = k;
    search.target_recall = recall;
    return *collection->search(nested_vectors(1, kDim, 9), search).certification;
  }

  CollectionOptions options;
  std::shared_ptr<MemoryRecordStore> records = std::make_shared<MemoryRecordStore>();
  std::shared_ptr<MemoryGenerationStore> generations = std::make_shared<MemoryGenerationStore>();
  std::unique_ptr<Collection> collection;
  std::vector<float> queries;
};

std::vector<Certificate> certificates_of(const CalibrationReport& report) {
  std::vector<Certificate> out;
  for (const auto& outcome : report.outcomes)
    if (outcome.certificate) out.push_back(*outcome.certificate);
  return out;
}

}  // namespace

TEST_CASE("a calibrated collection serves certified targets until it changes, also after a restart") {
  World world;
  CHECK_FALSE(world.ask(0.9).certified);
  std::set<std::string> phases;
  CalibrationRequest request = world.request();
  request.progress = [&](const CalibrationProgress& p) { phases.insert(p.phase); };
  const CalibrationReport report = calibrate(*world.collection, request);
  CHECK(phases == std::set<std::string>{"exact neighbours", "trying policies", "certifying", "reporting"});
  CHECK(report.on_a + report.on_b + report.on_c == 600);
  CHECK(report.on_b == 360);
  REQUIRE(certificates_of(report).size() == 2);
  for (const auto& outcome : report.outcomes) {
    INFO("epsilon " << outcome.epsilon);
    CHECK(outcome.risk <= outcome.epsilon);
    CHECK(outcome.on_c.loss <= outcome.epsilon + 0.02);  // 120 queries
    CHECK(outcome.on_c.evaluations < report.full_ladder.evaluations);
    const Certificate& c = *outcome.certificate;
    CHECK(c.path[c.chosen].p_value <= 0.05);
    CHECK(c.path[c.chosen].tested);
    CHECK(c.policy().explore > 0);
    for (std::size_t i = 1; i <= c.chosen; ++i) CHECK(c.path[i].p_value <= 0.05);
  }
  const auto kept = world.collection->keep_certificates(certificates_of(report));
  CHECK(kept[0].id == 1);
  CHECK(kept[1].id == 2);

  const auto check_served = [&] {
    const Certification said = world.ask(0.9);
    CHECK(said.certified);
    CHECK(said.certificate == 1);
    CHECK_FALSE(said.exit_stage.empty());
    CHECK(world.ask(0.93).certificate == 2);
    CHECK_FALSE(world.ask(0.99).certified);
    CHECK_FALSE(world.ask(0.9, 11).certified);
  };
  check_served();
  world.open();
  check_served();

  world.insert(kRows, 30, 3);  // exactly 1 %
  CHECK(world.ask(0.9).certified);
  world.insert(kRows + 30, 1, 4);
  CHECK_FALSE(world.ask(0.9).certified);
  world.open();
  CHECK_FALSE(world.ask(0.9).certified);
  CHECK_THROWS_AS(world.collection->keep_certificates(certificates_of(report)), Error);
  world.collection->build(deterministic_build());
  CHECK(world.ask(0.9).note.find("built anew") != std::string::npos);
}

TEST_CASE("the certified answers are as good on new queries as was promised") {
  World world;
  const CalibrationReport report = calibrate(*world.collection, world.request(900));
  world.collection->keep_certificates(certificates_of(report));
  const auto fresh = nested_vectors(400, kDim, 77);
  SearchOptions search, exact;
  search.target_recall = 0.95;
  exact.exact = true;
  const auto found = world.collection->search_batch(fresh, 400, search, 1);
  const auto truth = world.collection->search_batch(fresh, 400, exact, 1);
  double loss = 0;
  for (std::size_t q = 0; q < 400; ++q) {
    CHECK(found[q].certification->certified);
    loss += query_loss(LossKind::recall, 0, truth[q], found[q]) / 400;
  }
  CHECK(loss <= 0.05 + 0.01);  // 0.01: two standard errors of 400 queries
}

TEST_CASE("too few queries are refused with the number that is needed") {
  World world;
  CalibrationRequest request = world.request(50);
  try {
    calibrate(*world.collection, request);
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_argument);
    CHECK(std::string(error.what()).find("50 queries are too few: " + std::to_string(queries_needed(request))) == 0);
  }
  request.promise = Promise::expected;
  request.epsilons = {0.1};
  const CalibrationReport report = calibrate(*world.collection, request);
  REQUIRE(report.outcomes.front().certificate);
  world.collection->keep_certificates(certificates_of(report));
  CHECK_FALSE(world.ask(0.9).certified);  // expected is not certified
  CHECK(world.ask(0.9).certificate == 1);
}

TEST_CASE("rows stand in for queries with a warning, and none finds itself") {
  World world;
  CalibrationRequest request = world.request();
  request.queries = {};
  request.count = 0;
  request.rows = 300;
  request.epsilons = {0.1};
  const CalibrationReport report = calibrate(*world.collection, request);
  REQUIRE(report.warnings.size() == 1);
  CHECK(report.warnings.front().find("Rows are not queries") != std::string::npos);
  CHECK(report.queries == 300);
  REQUIRE(report.outcomes.front().certificate);
  CHECK(report.outcomes.front().certificate->source == QuerySource::rows);
}

TEST_CASE("tail recall and total variation have their own certificates") {
  World world;
  CalibrationRequest request = world.request(500);
  request.loss = LossKind::tail_recall;
  request.loss_parameter = 0.7;
  request.test = RiskTest::clopper_pearson;
  request.epsilons = {0.1};
  const auto tail = calibrate(*world.collection, request);
  REQUIRE(tail.outcomes.front().certificate);
  request.loss = LossKind::total_variation;
  request.test = RiskTest::betting;
  const auto variation = calibrate(*world.collection, request);
  REQUIRE(variation.outcomes.front().certificate);
  world.collection->keep_certificates({*tail.outcomes.front().certificate, *variation.outcomes.front().certificate});
  CHECK(world.collection->certificates().size() == 2);
  CHECK_FALSE(world.ask(0.9).certified);  // neither promises a mean recall
}

TEST_CASE("a second look is tried, and used only where it is worth more than two standard errors") {
  World world;
  CalibrationRequest request = world.request(600);
  request.learn = true;
  const CalibrationReport report = calibrate(*world.collection, request);
  CHECK(report.deferral.tried);
  CHECK(report.deferral.shipped == (report.deferral.standard_errors > 2));
  bool any = false;
  for (const auto& c : certificates_of(report))
    for (const auto& point : c.path) any |= point.policy.deferral.has_value();
  CHECK(any == report.deferral.shipped);
}

TEST_CASE("a walk that takes a second look does what the wider gap does, one that does not what the narrow one does") {
  World world;
  const auto queries = nested_vectors(50, kDim, 5);
  const auto run = [&](const SearchPolicy& policy) {
    SearchOptions search;
    search.policy = policy;
    search.explain = true;
    return world.collection->search_batch(queries, 50, search, 1);
  };
  const auto total = [](const std::vector<QueryResult>& results) {
    std::uint64_t sum = 0;
    for (const auto& r : results) sum += r.stages.front().distance_evaluations;
    return sum;
  };
  SearchPolicy narrow{400, 0.05f, 20, 20, {}}, wide{400, 0.4f, 20, 20, {}}, never = narrow, always = narrow;
  never.deferral = DeferralRule{{}, 0, 1, 0.4f};
  always.deferral = DeferralRule{{}, 0, -1, 0.4f};
  const auto by_never = run(never), by_always = run(always);
  CHECK(total(by_never) < total(by_always));
  const auto near = [](std::uint64_t a, std::uint64_t b) {
    return Approx(static_cast<double>(a)).epsilon(0.03) == static_cast<double>(b);
  };
  CHECK(near(total(by_never), total(run(narrow))));
  CHECK(near(total(by_always), total(run(wide))));
  for (std::size_t q = 0; q < 50; ++q) {
    REQUIRE(by_never[q].stages.front().features);
    CHECK(by_never[q].exit_stage == std::string("distance gap"));
    const WalkFeatures& f = *by_never[q].stages.front().features;
    CHECK((f[0] > 0 && f[0] <= 1));
    CHECK(f[1] >= 0);
    CHECK(f[2] >= f[1]);
    CHECK((f[3] >= 0 && f[3] <= 1));
  }
}

TEST_CASE("a target does not go together with a depth, and an exact search keeps any promise") {
  World world;
  const auto query = nested_vectors(1, kDim, 9);
  SearchOptions search;
  search.target_recall = 0.9;
  search.candidates_to_explore = 50;
  CHECK_THROWS_AS(world.collection->search(query, search), Error);
  search.candidates_to_explore.reset();
  search.target_recall = 1;
  auto said = *world.collection->search(query, search).certification;
  CHECK(said.certified);
  CHECK(said.exit_stage == "scan");
  search.target_recall = 0.9;
  search.exact = true;
  CHECK(world.collection->search(query, search).certification->certified);
  SearchOptions bad;
  bad.policy = SearchPolicy{0, 0.1f, 10, 10, {}};
  CHECK_THROWS_AS(world.collection->search(query, bad), Error);
}

TEST_CASE("a withdrawn certificate serves no more, also after a restart; dropped ones are gone") {
  World world;
  world.collection->keep_certificates(certificates_of(calibrate(*world.collection, world.request())));
  CHECK(world.collection->withdraw_certificate(1, "the monitor raised an alarm"));
  CHECK_FALSE(world.collection->withdraw_certificate(9, "none"));
  CHECK(world.ask(0.9).certificate == 2);
  world.open();
  CHECK(world.ask(0.9).certificate == 2);
  CHECK(world.collection->drop_certificates() == 2);
  CHECK(world.ask(0.9).certificate == 0);
}
