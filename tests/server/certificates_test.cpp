// Calibration, certificates and targets over HTTP, and the monitor.
#include <cmath>
#include <random>
#include <thread>

#include "server/index_jobs.h"
#include "server/certificate_monitor.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

namespace nestor::server::testing {
namespace {

index::BuildOptions deterministic_build() {
  index::BuildOptions build;
  build.threads = 1;
  build.deterministic = true;
  return build;
}

constexpr int kDim = 16;

// 1,500 points in graphs, and as many queries of the same kind as a test wants.
struct Calibrated : ApiFixture {
  explicit Calibrated(RequestLimits limits = {}) : ApiFixture(limits) {
    index::CollectionOptions options;
    options.dim = kDim;
    options.metric = index::Metric::l2;
    options.widths = {8, 16};
    options.exact_below = 100;
    options.graph.candidates_at_build = 50;
    create(kDim, "Euclid", {{"matryoshka", {{"widths", {8, 16}}}}});
    database->delete_collection("c");
    collection = database->create_collection("c", options, R"({"distance":"Euclid"})");
    const auto rows = tests::nested_vectors(1500, kDim, 1);
    std::vector<index::Point> points;
    for (std::size_t i = 0; i < 1500; ++i)
      points.push_back({index::PointId::number(i), std::span(rows).subspan(i * kDim, kDim), {}, {}});
    collection->upsert(points);
    collection->build(deterministic_build());
  }
  json queries(std::size_t count, std::uint64_t stream = 2) const {
    const auto values = tests::nested_vectors(count, kDim, stream);
    json out = json::array();
    for (std::size_t i = 0; i < count; ++i)
      out.push_back(std::vector<float>(values.begin() + static_cast<long>(i * kDim),
                                       values.begin() + static_cast<long>((i + 1) * kDim)));
    return out;
  }
  json query(const json& matryoshka, std::uint64_t stream = 9) {
    const Reply reply = post("/collections/c/points/query",
                             {{"query", queries(1, stream)[0]}, {"params", {{"matryoshka", matryoshka}}}});
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
    return reply.result();
  }
  // Until it is over: jobs end by themselves, and each look is a request of its own.
  json finished(const std::string& kind, std::uint64_t id) {
    while (true) {
      const json job = get("/collections/c/" + kind + "/" + std::to_string(id)).result();
      if (job["status"] != "queued" && job["status"] != "running") return job;
      std::this_thread::yield();
    }
  }
  json run(const std::string& kind, const json& body) {
    const Reply reply = post("/collections/c/" + kind, body);
    INFO(reply.raw.body);
    REQUIRE(reply.status == 200);
    return finished(kind, reply.result()["id"]);
  }
  json calibrate(const json& body) { return run("calibrations", body); }
  void refuses(const std::string& kind, const json& body, const std::string& part) {
    const Reply reply = post("/collections/c/" + kind, body);
    INFO(reply.raw.body);
    CHECK((reply.status == 400 || reply.status == 422));
    CHECK(reply.error().find(part) != std::string::npos);
  }

  std::shared_ptr<index::Collection> collection;
};

}  // namespace

TEST_CASE("a calibration runs in the background, and its certificates serve targets") {
  Calibrated world;
  CHECK(world.query({{"target_recall", 0.9}})["certified"] == false);
  const json job = world.calibrate({{"queries", world.queries(400)}, {"recall", {0.9, 0.8}}, {"second_look", false}});
  INFO(job.dump());
  CHECK(job["status"] == "done");
  CHECK(job["report"]["outcomes"].size() == 2);
  CHECK(job["report"]["outcomes"][0]["certified"] == true);
  CHECK(job["report"]["warnings"].empty());

  const json answer = world.query({{"target_recall", 0.9}, {"explain", true}});
  CHECK(answer["certified"] == true);
  CHECK(answer["certificate"] == 1);
  CHECK(answer["certified_recall"].get<double>() == Approx(0.9));
  CHECK(answer["exit_stage"].is_string());
  CHECK(answer["explain"][0]["stopped_because"] == answer["exit_stage"]);
  CHECK(world.query({{"target_recall", 0.85}})["note"].get<std::string>().find("next safer") != std::string::npos);
  CHECK(world.query({{"target_recall", 0.99}})["certified"] == false);
  CHECK(world.query({{"max_latency_ms", 1000}})["certified"] == true);
  CHECK_FALSE(world.query({{"width", 8}}).contains("certified"));

  const json list = world.get("/collections/c/certificates").result()["certificates"];
  REQUIRE(list.size() == 2);
  for (const char* name : {"id", "generation", "checksum", "widths", "k", "metric", "filter", "encoder", "epsilon",
                           "delta", "queries", "test", "seed", "path", "policy", "in_force"})
    CHECK(list[0].contains(name));
  CHECK(list[0]["in_force"] == true);
  CHECK(list[0]["path"][0].contains("risk"));
  CHECK(world.get("/collections/c/calibrations").result()["calibrations"].size() == 1);

  CHECK(world.call("DELETE", "/collections/c/certificates").result() == 2);
  CHECK(world.query({{"target_recall", 0.9}})["certified"] == false);
}

TEST_CASE("a filter is certified by itself") {
  Calibrated world;
  const json filter = {{"must", {{{"has_id", {1, 2, 3, 4, 5}}}}}};
  const json job =
      world.calibrate({{"queries", world.queries(300)}, {"recall", 0.9}, {"filter", filter}, {"second_look", false}});
  INFO(job.dump());
  REQUIRE(job["status"] == "done");
  CHECK(world.query({{"target_recall", 0.9}})["certified"] == false);
  const Reply reply = world.post(
      "/collections/c/points/query",
      {{"query", world.queries(1)[0]}, {"filter", filter}, {"params", {{"matryoshka", {{"target_recall", 0.9}}}}}});
  CHECK(reply.result()["certified"] == true);
}

TEST_CASE("bad calibrations are refused, and what fails later says why") {
  Calibrated world;
  const auto refused = [&](const json& body, const std::string& part) { world.refuses("calibrations", body, part); };
  refused({{"queries", world.queries(10)}}, "10 queries are too few");
  refused({{"queries", world.queries(1)}, {"recal", 0.9}}, "recal");
  refused({{"recall", 1.5}}, "between 0 and 1");
  refused({{"recall", {0.9, "x"}}}, "recall");
  refused({{"confidence", 1}}, "confidence");
  refused({{"test", "guess"}}, "unknown test");
  refused({{"queries", json::array({json::array({1, 2})})}}, "expected dim: 16, got 2");
  CHECK(world.get("/collections/c/calibrations/7").status == 404);
  CHECK(world.get("/collections/none/calibrations").status == 404);
  CHECK(
      world
          .post("/collections/c/points/search",
                {{"vector", world.queries(1)[0]}, {"limit", 3}, {"params", {{"matryoshka", {{"target_recall", 0.9}}}}}})
          .status == 400);
  for (const json& bad : {json{{"target_recall", 0}}, json{{"target_recall", 1.1}}, json{{"max_latency_ms", -1}},
                          json{{"distance_gap", "wide"}},
                          json{{"target_recall", 0.9}, {"distance_gap", 0.1}},
                          json{{"target_recall", 0.9}, {"stages", {{{"width", 16}, {"shortlist", 20}}}}}})
    CHECK(world.post("/collections/c/points/query", {{"query", world.queries(1)[0]}, {"params", {{"matryoshka", bad}}}})
              .status == 400);
  for (const double gap : {-0.1, 1e300}) {
    const Reply answer = world.post("/collections/c/points/query", {{"query", world.queries(1)[0]},
                                     {"params", {{"matryoshka", {{"distance_gap", gap}}}}}});
    CHECK(answer.status == 422);
    CHECK(answer.raw.body.find("must be from 0 to 100") != std::string::npos);
  }
  // A tail test that its loss does not fit is found by the job.
  const json job = world.calibrate({{"queries", world.queries(300)}, {"test", "clopper-pearson"}});
  CHECK(job["status"] == "failed");
  CHECK(job["error"].get<std::string>().find("clopper-pearson") != std::string::npos);
}

TEST_CASE("a tuning runs in the background and serves searches that say nothing until it is reset") {
  Calibrated world;
  CHECK(world.get("/collections/c/tuning").result()["tuned"].is_null());
  CHECK(world.call("DELETE", "/collections/c/tuning").result() == false);
  const json asked = {{"queries", world.queries(200)}, {"recall", 0.8}};
  json told = asked;
  told["store"] = false;
  CHECK(world.run("tunings", told)["status"] == "done");
  CHECK(world.get("/collections/c/tuning").result()["tuned"].is_null());

  const json job = world.run("tunings", asked);
  INFO(job.dump());
  REQUIRE(job["status"] == "done");
  const json& report = job["report"];
  CHECK(report["reached"] == true);
  CHECK(report["held_out"]["recall"].get<double>() > 0.7);
  CHECK(report["graph_width"] == 16);
  CHECK(report["ceilings"].size() == 2);
  CHECK(report["reasons"].size() >= 2);
  const json tuned = world.get("/collections/c/tuning").result()["tuned"];
  CHECK(tuned == report["chosen"]);
  CHECK(world.collection->tuned_policy()->queries == 100);
  // The two kinds share their numbers and their queue, but not their lists.
  CHECK(world.get("/collections/c/tunings").result()["tunings"].size() == 2);
  CHECK(world.get("/collections/c/calibrations").result()["calibrations"].empty());
  CHECK(world.get("/collections/c/calibrations/1").status == 404);

  CHECK(world.call("DELETE", "/collections/c/tuning").result() == true);
  CHECK_FALSE(world.collection->tuned_policy());

  const std::uint64_t id = world.post("/collections/c/tunings", told).result()["id"];
  const bool stopped = world.call("DELETE", "/collections/c/tunings/" + std::to_string(id)).result();
  CHECK(world.finished("tunings", id)["status"] == (stopped ? "cancelled" : "done"));
}

TEST_CASE("bad tunings are refused") {
  Calibrated world;
  const auto refused = [&](const json& body, const std::string& part) { world.refuses("tunings", body, part); };
  refused({{"queries", world.queries(10)}}, "10 queries are too few to tune with");
  refused({{"sample", 10}}, "10 queries are too few to tune with");
  refused({{"recall", 1}}, "between 0 and 1");
  refused({{"recall", 0.9}, {"max_latency_ms", 1}}, "exclude each other");
  refused({{"max_latency_ms", 0}}, "more than 0");
  refused({{"queries", {{1, 2}}}}, "dimension");
  refused({{"recal", 0.9}}, "recal");
  CHECK(world.post("/collections/none/tunings", json::object()).status == 404);
}

TEST_CASE("a job can be cancelled, whether it waits or runs") {
  Calibrated world;
  BackgroundJobs jobs;
  const auto input = [&] {
    CalibrationInput in;
    in.collection = world.collection;
    in.collection_name = "c";
    in.queries = tests::nested_vectors(600, kDim, 2);
    in.request.count = 600;
    in.request.epsilons = {0.1};
    in.request.threads = 1;
    return calibration_job(std::move(in));
  };
  const auto first = jobs.start(input()), second = jobs.start(input());
  CHECK(jobs.cancel(second));
  CHECK(jobs.cancel(first));
  REQUIRE(jobs.wait(first));
  REQUIRE(jobs.wait(second));
  CHECK(jobs.find(first)->status == JobStatus::cancelled);
  CHECK(jobs.find(second)->status == JobStatus::cancelled);
  CHECK_FALSE(jobs.cancel(first));
  CHECK_FALSE(jobs.find(99));
  CHECK(jobs.all(JobKind::calibration, "c").size() == 2);
  CHECK(world.collection->certificates().empty());
}

TEST_CASE("the monitor leaves a kept promise alone and withdraws a broken one") {
  Calibrated world;
  world.calibrate({{"queries", world.queries(400)}, {"recall", 0.9}, {"second_look", false}});
  REQUIRE(world.collection->certificates().size() == 1);
  CertificateMonitor monitor;
  monitor.set_share(1);
  index::SearchOptions search;
  search.target_recall = 0.9;
  const auto serve = [&](std::size_t count, bool spoil) {
    const auto queries = tests::nested_vectors(count, kDim, 3);
    for (std::size_t q = 0; q < count; ++q) {
      const auto query = std::span<const float>(queries).subspan(q * kDim, kDim);
      auto result = world.collection->search(query, search);
      if (spoil) result.hits.resize(5);
      monitor.saw(world.collection, query, search, result);
      monitor.wait_until_idle();
    }
  };
  serve(60, false);
  CHECK(monitor.checked() == 60);
  CHECK(monitor.alarms() == 0);
  REQUIRE(monitor.states(world.collection).size() == 1);
  CHECK(monitor.states(world.collection).front().mean_loss <= 0.1);
  CHECK(world.query({{"target_recall", 0.9}})["certified"] == true);
  serve(60, true);
  CHECK(monitor.alarms() == 1);
  CHECK(monitor.states(world.collection).front().alarmed);
  const json answer = world.query({{"target_recall", 0.9}});
  CHECK(answer["certified"] == false);
  CHECK(answer["note"].get<std::string>().find("monitor") != std::string::npos);
}

TEST_CASE("served queries are watched, and the certificates say how it goes") {
  RequestLimits limits;
  limits.shadow_share = 1;
  Calibrated world(limits);
  world.calibrate({{"queries", world.queries(400)}, {"recall", 0.9}, {"second_look", false}});
  for (std::uint64_t q = 0; q < 5; ++q) world.query({{"target_recall", 0.9}}, 100 + q);
  json monitor;
  do {  // a background thread counts; it needs nothing but time
    const json list = world.get("/collections/c/certificates").result()["certificates"];
    monitor = list[0].value("monitor", json::object());
  } while (monitor.value("checked", 0) < 5);
  CHECK(monitor["alarm"] == false);
  CHECK(monitor["mean_loss"].get<double>() <= 0.3);
  const std::string metrics = world.get("/metrics").raw.body;
  CHECK(metrics.find("\nnestor_certified_queries_checked_total 5\n") != std::string::npos);
  CHECK(metrics.find("\nnestor_certificate_alarms_total 0\n") != std::string::npos);
}

}  // namespace nestor::server::testing
