// What a creation and a PATCH set, and how it reads back.
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

struct Changed : ApiFixture {
  explicit Changed(const json& more = json::object()) {
    json body = {{"vectors", {{"size", 4}, {"distance", "Dot"}}}};
    body.update(more);
    REQUIRE(put("/collections/c", body).status == 200);
  }
  Reply patch(const std::string& body) { return call("PATCH", "/collections/c", body); }
  json config() { return get("/collections/c").result()["config"]; }
  std::string refusal(const std::string& body, int status = 400) {
    const json before = config();
    const Reply reply = patch(body);
    CHECK(reply.status == status);
    CHECK(config() == before);
    return reply.status == 200 ? "" : reply.error();
  }
};

}  // namespace

TEST_CASE("vectors are described by the dialect's fields only, for readers with strict models") {
  ApiFixture fixture;
  for (const std::string name : {"", "text"}) {
    json parameters = json::parse(R"({"size":64,"distance":"Cosine","on_disk":true,"hnsw_config":{"m":8},
      "quantization_config":{"scalar":{"type":"int8","always_ram":true}},"matryoshka":{"widths":[16,64]}})");
    if (!name.empty()) parameters = json{{name, parameters}};
    fixture.call("DELETE", "/collections/c");
    REQUIRE(fixture.put("/collections/c", {{"vectors", parameters}}).status == 200);
    const json params = fixture.get("/collections/c").result()["config"]["params"];
    const json vectors = name.empty() ? params["vectors"] : params["vectors"][name];
    CHECK(vectors == json::parse(R"({"size":64,"distance":"Cosine","on_disk":true,"hnsw_config":{"m":8},
      "quantization_config":{"scalar":{"type":"int8","always_ram":true}}})"));
    CHECK(params["matryoshka"]["widths"] == json{16, 64});
  }
}

TEST_CASE("what a creation set is shown, and what of it means nothing is said") {
  Changed c(json::parse(R"({"hnsw_config":{"m":24,"full_scan_threshold":20000},"on_disk_payload":false,
    "optimizers_config":{"default_segment_number":2,"indexing_threshold":20000},"replication_factor":2,
    "wal_config":{"wal_capacity_mb":1}})"));
  const json config = c.config();
  CHECK(config["hnsw_config"]["m"] == 24);
  CHECK(config["hnsw_config"]["ef_construct"] == 100);
  CHECK(config["hnsw_config"]["full_scan_threshold"] == 20000);
  CHECK(config["params"]["on_disk_payload"] == false);
  CHECK(config["params"]["replication_factor"] == 2);
  CHECK(config["optimizer_config"]["default_segment_number"] == 2);
  CHECK(config["optimizer_config"]["indexing_threshold"] == 20000);
  CHECK(config["optimizer_config"]["flush_interval_sec"] == 5);
  CHECK(config["wal_config"]["wal_capacity_mb"] == 1);
  std::string told;
  const json info = c.get("/collections/c").result();
  for (const json& warning : info["warnings"])
    told += warning["message"].get<std::string>() + "\n";
  CHECK(told ==
        "`replication_factor` has no effect\n`on_disk_payload` has no effect\n"
        "`hnsw_config.full_scan_threshold` has no effect\n"
        "`optimizers_config.default_segment_number` has no effect\n`wal_config.wal_capacity_mb` has no effect\n");
  CHECK_FALSE(Changed().get("/collections/c").result().contains("warnings"));
}

TEST_CASE("metadata is merged by a change, null removes a key, and a restart keeps it") {
  tests::TemporaryDirectory directory;
  {
    const auto database = open_database(directory.path());
    Api api(*database, {});
    const auto send = [&](const char* method, const char* target, const char* body) {
      return json::parse(api.handle({method, target, body, {}}).body);
    };
    send("PUT", "/collections/c", R"({"vectors":{"size":2,"distance":"Dot"},"metadata":{"a":1,"b":{"c":2}}})");
    send("POST", "/collections/aliases",
         R"({"actions":[{"create_alias":{"collection_name":"c","alias_name":"now"}}]})");
    CHECK(send("PATCH", "/collections/now", R"({"metadata":{"a":null,"b":3,"d":"x"}})")["result"] == true);
    CHECK(send("GET", "/collections/c", "")["result"]["config"]["metadata"] == json::parse(R"({"b":3,"d":"x"})"));
  }
  const auto database = open_database(directory.path());
  Api api(*database, {});
  const json after = json::parse(api.handle({"GET", "/collections/c", "", {}}).body);
  CHECK(after["result"]["config"]["metadata"] == json::parse(R"({"b":3,"d":"x"})"));
}

TEST_CASE("metadata outlives a compaction") {
  Changed c;
  c.fill_line(20, 4);
  REQUIRE(c.patch(R"({"metadata":{"a":1}})").status == 200);
  c.database->collection("c")->compact();
  CHECK(c.config()["metadata"] == json::parse(R"({"a":1})"));
  REQUIRE(c.patch(R"({"metadata":{"a":2}})").status == 200);
  CHECK(c.config()["metadata"] == json::parse(R"({"a":2})"));
}

TEST_CASE("a change takes effect or is refused by name") {
  Changed c;
  for (const auto& [body, name] : std::vector<std::pair<std::string, std::string>>{
           {R"({"hnsw_config":{"m":32}})", "hnsw_config.m"},
           {R"({"hnsw_config":{"on_disk":true}})", "hnsw_config.on_disk"},
           {R"({"optimizers_config":{"max_segment_size":10000}})", "optimizers_config.max_segment_size"},
           {R"({"optimizers_config":{"indexing_threshold":7,"flush_interval_sec":60}})", "flush_interval_sec"},
           {R"({"quantization_config":{"binary":{"always_ram":true}}})", "quantization_config.binary"},
           {R"({"quantization_config":{"scalar":{"type":"int8","quantile":0.9}}})", "quantization_config.scalar"},
           {R"({"strict_mode_config":{"enabled":true}})", "strict_mode_config.enabled"},
           {R"({"strict_mode_config":{"max_query_limit":10}})", "strict_mode_config.max_query_limit"},
           {R"({"vectors":{"":{"on_disk":true}}})", "vectors.on_disk"},
           {R"({"vectors":{"":{"memory":"pinned"}}})", "vectors.memory"},
           {R"({"vectors":{"text":{"on_disk":true}}})", "vectors.text"},
           {R"({"params":{"replication_factor":2}})", "params.replication_factor"},
           {R"({"params":{"on_disk_payload":false}})", "params.on_disk_payload"},
           {R"({"sparse_vectors":{"s":{}}})", "sparse_vectors"},
           {R"({"colour":"red"})", "colour"}}) {
    INFO(body);
    CHECK(c.refusal(body).find(name) != std::string::npos);
  }
  c.refusal(R"({"metadata":3})");
  c.refusal(R"({"optimizers_config":{"indexing_threshold":-1}})");
  c.refusal("[]");
  c.refusal("");
  CHECK(c.call("PATCH", "/collections/d", "{}").status == 404);
}

TEST_CASE("a change may repeat what is, and ask for the codes that there are") {
  Changed c;
  CHECK(c.patch("{}").result() == true);
  CHECK(c.patch(R"({"hnsw_config":{"m":16,"on_disk":false},"params":{"replication_factor":1},
    "optimizers_config":{"flush_interval_sec":5,"deleted_threshold":null},"sparse_vectors":{},
    "strict_mode_config":{"enabled":false},"quantization_config":null})")
            .status == 200);
  CHECK(c.patch(R"({"quantization_config":{"scalar":{"type":"int8"}}})").status == 200);
  CHECK(c.config()["quantization_config"] == json::parse(R"({"scalar":{"type":"int8"}})"));
}

TEST_CASE("the indexing threshold holds back builds and the yellow status") {
  Changed c;
  const auto collection = c.database->collection("c");
  json points = json::array();
  for (int i = 0; i < 5100; ++i) points.push_back({{"id", i}, {"vector", {i % 7, i % 11, i % 13, 1}}});
  REQUIRE(c.put("/collections/c/points", {{"points", points}}).status == 200);
  REQUIRE(collection->wants_build());
  const auto status = [&] { return c.get("/collections/c").result()["status"]; };
  CHECK(status() == "yellow");
  CHECK(c.patch(R"({"optimizers_config":{"indexing_threshold":0}})").status == 200);
  CHECK(c.config()["optimizer_config"]["indexing_threshold"] == 0);
  CHECK(status() == "green");
  c.patch(R"({"optimizers_config":{"indexing_threshold":80}})");  // 5,100 x 4 coordinates are 79 KiB
  CHECK(status() == "green");
  c.patch(R"({"optimizers_config":{"indexing_threshold":78}})");
  CHECK(status() == "yellow");
}

TEST_CASE("a creation refuses settings that it does not know or cannot have") {
  ApiFixture fixture;
  const auto refusal = [&](const char* more, int status) {
    json body = {{"vectors", {{"size", 4}, {"distance", "Dot"}}}};
    body.update(json::parse(more), true);
    const Reply reply = fixture.put("/collections/c", body);
    INFO(more);
    CHECK(reply.status == status);
    return reply.status == 200 ? std::string() : reply.error();
  };
  CHECK(refusal(R"({"colour":"red"})", 400).find("`colour`") != std::string::npos);
  CHECK(refusal(R"({"vectors":{"colour":"red"}})", 400).find("`colour`") != std::string::npos);
  CHECK(refusal(R"({"hnsw_config":{"colour":1}})", 400).find("`colour`") != std::string::npos);
  CHECK(refusal(R"({"optimizers_config":{"colour":1}})", 400).find("`colour`") != std::string::npos);
  CHECK(refusal(R"({"hnsw_config":{"ef_construct":1}})", 422).find("[hnsw_config.ef_construct: ") != std::string::npos);
  CHECK(refusal(R"({"quantization_config":{"binary":{}}})", 400).find("quantization_config.binary") !=
        std::string::npos);
  CHECK(refusal(R"({"strict_mode_config":{"enabled":true}})", 400).find("strict_mode_config.enabled") !=
        std::string::npos);
  CHECK(refusal(R"({"init_from":{"collection":"d"}})", 400).find("init_from") != std::string::npos);
  for (const char* name : {"shard_number", "replication_factor", "write_consistency_factor"}) {
    CHECK(refusal(("{\"" + std::string(name) + "\":0}").c_str(), 422).find(name) != std::string::npos);
    CHECK(refusal(("{\"" + std::string(name) + "\":-1}").c_str(), 400).find(name) != std::string::npos);
  }
  CHECK(fixture.get("/collections").result()["collections"].empty());
}

}  // namespace nestor::server::testing
