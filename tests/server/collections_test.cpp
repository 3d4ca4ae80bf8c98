#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

Reply create_with(ApiFixture& fixture, const json& body) { return fixture.put("/collections/c", body); }

// Sends creations that must be refused with this status and create nothing.
struct Refuser : ApiFixture {
  std::string operator()(const json& body, int status) {
    const Reply reply = create_with(*this, body);
    CHECK(reply.status == status);
    CHECK(get("/collections").result().at("collections").empty());
    return reply.status == 200 ? "" : reply.error();
  }
};

}  // namespace

TEST_CASE("a collection is created, listed, described and deleted") {
  ApiFixture fixture;
  const Reply created = fixture.create(8, "Cosine");
  CHECK(created.status == 200);
  CHECK(created.result() == true);
  CHECK(created.body.at("status") == "ok");
  CHECK(created.body.at("time").get<double>() >= 0);
  CHECK(fixture.get("/collections").result() == json::parse(R"({"collections":[{"name":"c"}]})"));
  CHECK(fixture.get("/collections/c/exists").result() == json::parse(R"({"exists":true})"));
  CHECK(fixture.call("DELETE", "/collections/c").result() == true);
  CHECK(fixture.get("/collections/c/exists").result() == json::parse(R"({"exists":false})"));
  const Reply again = fixture.call("DELETE", "/collections/c");
  CHECK(again.status == 200);
  CHECK(again.result() == false);
}

TEST_CASE("a collection that does not exist is 404 with the dialect's words") {
  ApiFixture fixture;
  const Reply reply = fixture.get("/collections/nope");
  CHECK(reply.status == 404);
  CHECK(reply.error() == "Not found: Collection `nope` doesn't exist!");
}

TEST_CASE("creating a collection twice is 409 and leaves the first") {
  ApiFixture fixture;
  fixture.create(8);
  const Reply reply = fixture.create(16);
  CHECK(reply.status == 409);
  CHECK(reply.error() == "Wrong input: Collection `c` already exists!");
  CHECK(fixture.get("/collections/c").result()["config"]["params"]["vectors"]["size"] == 8);
}

TEST_CASE("the description has every part that clients read") {
  ApiFixture fixture;
  const json body = json::parse(R"({"vectors":{"size":64,"distance":"Dot","datatype":"float16","on_disk":true,
    "matryoshka":{"widths":[16,32,64],"graphs":[16,32],"rotation":"pca"}},
    "hnsw_config":{"m":24,"ef_construct":77},"shard_number":3,"optimizers_config":{"indexing_threshold":0},
    "quantization_config":{"scalar":{"type":"int8"}},"metadata":{"model":"m1"}})");
  REQUIRE(create_with(fixture, body).status == 200);
  const json info = fixture.get("/collections/c").result();
  CHECK(info["status"] == "green");
  CHECK(info["optimizer_status"] == "ok");
  CHECK(info["points_count"] == 0);
  CHECK(info["indexed_vectors_count"] == 0);
  CHECK(info["segments_count"] == 1);
  CHECK(info["payload_schema"] == json::object());
  const json vectors = info["config"]["params"]["vectors"];
  CHECK(vectors == json::parse(R"({"size":64,"distance":"Dot","datatype":"float16","on_disk":true})"));
  CHECK(info["config"]["params"]["matryoshka"] ==
        json::parse(R"({"widths":[16,32,64],"graphs":[16,32],"rotation":"pca"})"));
  CHECK(info["config"]["params"]["shard_number"] == 3);
  CHECK(info["config"]["quantization_config"] == json::parse(R"({"scalar":{"type":"int8"}})"));
  CHECK(info["config"]["optimizer_config"]["indexing_threshold"] == 0);
  CHECK(info["warnings"] == json::parse(R"([{"message":"`shard_number` has no effect"}])"));
  CHECK(info["config"]["hnsw_config"]["m"] == 24);
  CHECK(info["config"]["hnsw_config"]["ef_construct"] == 77);
  CHECK(info["config"]["metadata"]["model"] == "m1");
  CHECK(info["config"]["optimizer_config"].contains("flush_interval_sec"));
}

TEST_CASE("hnsw_config beside the vector's parameters wins over the collection's") {
  ApiFixture fixture;
  create_with(fixture, json::parse(R"({"vectors":{"size":4,"distance":"Dot","hnsw_config":{"m":8}},
                                       "hnsw_config":{"m":24,"ef_construct":50}})"));
  const json config = fixture.get("/collections/c").result()["config"];
  CHECK(config["params"]["vectors"]["hnsw_config"]["m"] == 8);
  CHECK(config["hnsw_config"]["m"] == 24);
  CHECK(config["hnsw_config"]["ef_construct"] == 50);
  CHECK(fixture.database->collection("c")->options().graph.max_links == 8);
  CHECK(fixture.database->collection("c")->options().graph.candidates_at_build == 50);
}

TEST_CASE("a collection made by the embedded library is described without attributes") {
  ApiFixture fixture;
  index::CollectionOptions options;
  options.dim = 64;
  options.metric = index::Metric::l2;
  fixture.database->create_collection("c", options);
  const json vectors = fixture.get("/collections/c").result()["config"]["params"]["vectors"];
  CHECK(vectors == json::parse(R"({"size":64,"distance":"Euclid"})"));
  CHECK(fixture.get("/collections/c").result()["config"]["params"]["matryoshka"] ==
        json::parse(R"({"widths":[32,64],"graphs":[64],"rotation":"none"})"));
}

TEST_CASE("what a creation may not hold is refused and creates nothing") {
  Refuser refusal;
  const auto vectors = [](const char* text) { return json{{"vectors", json::parse(text)}}; };
  CHECK(refusal(json::object(), 400) == "Format error in JSON body: missing field `vectors`");
  CHECK(refusal(json::array(), 400).find("expected an object for `body`") != std::string::npos);
  CHECK(refusal(vectors(R"({"distance":"Dot"})"), 400).find("missing field `size`") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4})"), 400).find("missing field `distance`") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":0,"distance":"Dot"})"), 422) ==
        "Validation error in JSON body: [vectors.size: value 0 invalid, must be from 1 to 65536]");
  CHECK(refusal(vectors(R"({"size":65537,"distance":"Dot"})"), 422).find("must be from 1 to 65536") !=
        std::string::npos);
  CHECK(refusal(vectors(R"({"size":true,"distance":"Dot"})"), 400).find("boolean `true`") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4.0,"distance":"Dot"})"), 400).find("number `4.0`") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"Manhattan"})"), 400).find("Manhattan") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"cosine"})"), 400).find("unknown variant") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"Dot","datatype":"uint8"})"), 400).find("uint8") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"Dot","multivector_config":{"comparator":"max_sim"}})"), 400)
            .find("multivector") != std::string::npos);
  CHECK(
      refusal(vectors(R"({"size":4,"distance":"Dot","hnsw_config":{"m":0}})"), 422).find("[vectors.hnsw_config.m: ") !=
      std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"Dot","matryoshka":{"width":[2]}})"), 400)
            .find("unknown field `width` in `matryoshka`") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"Dot","matryoshka":{"widths":[4,2]}})"), 400).find("ascend") !=
        std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"Dot","matryoshka":{"widths":[2,4],"graphs":[3]}})"), 400)
            .find("graph width 3") != std::string::npos);
  CHECK(refusal(vectors(R"({"size":4,"distance":"Dot","matryoshka":{"rotation":"x"}})"), 400).find("rotation") !=
        std::string::npos);
  CHECK(refusal(vectors(R"({"a":{"size":4,"distance":"Dot"},"b":{"size":4,"distance":"Dot"}})"), 400)
            .find("more than one named vector") != std::string::npos);
  CHECK(refusal(json::parse(R"({"vectors":{"size":4,"distance":"Dot"},"sparse_vectors":{"s":{}}})"), 400)
            .find("sparse_vectors") != std::string::npos);
}

TEST_CASE("malformed JSON is 400 with its place") {
  ApiFixture fixture;
  const Reply reply = fixture.call("PUT", "/collections/c", "{\"vectors\": ");
  CHECK(reply.status == 400);
  CHECK(reply.error().starts_with("Format error in JSON body: unexpected end of text"));
}

TEST_CASE("collection names are checked before anything else") {
  ApiFixture fixture;
  const json body = {{"vectors", {{"size", 4}, {"distance", "Dot"}}}};
  for (const char* name : {"a%2Fb", "a%3Ab", "a%00b", "a%1Fb", "..%2F..%2Fetc", "a%7Cb", ".", "..", "%2E%2E", "%FF",
                           "%C0%AF", "a%ED%A0%80"}) {
    const Reply reply = fixture.put(std::string("/collections/") + name, body);
    CHECK(reply.status == 422);
    CHECK(reply.error().starts_with("Validation error in path parameters: [name: "));
  }
  CHECK(fixture.put("/collections/" + std::string(256, 'x'), body).status == 422);
  CHECK(fixture.put("/collections/" + std::string(255, 'x'), body).status == 200);
  CHECK(fixture.put("/collections/a%20b%C3%A9", body).status == 200);
  CHECK(fixture.get("/collections/a%20b%C3%A9").status == 200);
}

TEST_CASE("a creation request has its own size limit") {
  ApiFixture fixture({.creation_bytes = 200});
  const json body = {{"vectors", {{"size", 4}, {"distance", "Dot"}}}, {"metadata", {{"x", std::string(300, 'x')}}}};
  const Reply reply = create_with(fixture, body);
  CHECK(reply.status == 400);
  CHECK(reply.error().find("at most 200 are allowed") != std::string::npos);
}

TEST_CASE("a single named vector is taken, echoed, written, read and searched under its name") {
  ApiFixture fixture;
  REQUIRE(create_with(fixture, json::parse(R"({"vectors":{"text":{"size":2,"distance":"Euclid"}}})")).status == 200);
  CHECK(fixture.get("/collections/c").result()["config"]["params"]["vectors"]["text"]["size"] == 2);
  const std::string points = "/collections/c/points";
  CHECK(fixture.put(points, json::parse(R"({"points":[{"id":1,"vector":{"text":[1,2]}}]})")).status == 200);
  CHECK(fixture.put(points, json::parse(R"({"batch":{"ids":[2],"vectors":{"text":[[3,4]]}}})")).status == 200);
  const Reply plain = fixture.put(points, json::parse(R"({"points":[{"id":1,"vector":[1,2]}]})"));
  CHECK(plain.status == 400);
  CHECK(plain.error().find("named `text`") != std::string::npos);
  const Reply other = fixture.put(points, json::parse(R"({"points":[{"id":1,"vector":{"image":[1,2]}}]})"));
  CHECK(other.error() == "Wrong input: Not existing vector name error: image");

  const Reply found = fixture.post(points + "/query", json::parse(R"({"query":[3,4],"using":"text","limit":1,
                                                                      "with_vector":["text"]})"));
  REQUIRE(found.status == 200);
  CHECK(found.result()["points"][0]["id"] == 2);
  CHECK(found.result()["points"][0]["vector"] == json::parse(R"({"text":[3,4]})"));
  CHECK(fixture.post(points + "/query", {{"query", {3, 4}}}).status == 400);
  const Reply older = fixture.post(
      points + "/search", json::parse(R"({"vector":{"name":"text","vector":[1,2]},"limit":1})"));
  CHECK(older.result()[0]["id"] == 1);
}

}  // namespace nestor::server::testing
