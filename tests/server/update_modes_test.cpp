#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kPoints = "/collections/c/points";

// Points 1..3 on a line, see fill_line.
struct Line : ApiFixture {
  Line() {
    create(2);
    fill_line(3, 2);
  }
  json point(int id) { return get(kPoints + "/" + std::to_string(id)).result(); }
};

}  // namespace

TEST_CASE("vectors are replaced while payload and token stay") {
  Line line;
  const Reply reply = line.call("PUT", kPoints + "/vectors?wait=true", R"({"points":[{"id":2,"vector":[9,9]}]})");
  REQUIRE(reply.status == 200);
  CHECK(reply.result()["status"] == "completed");
  CHECK(line.point(2)["vector"] == json::parse("[9,9]"));
  CHECK(line.point(2)["payload"] == json::parse(R"({"token":2,"name":"2"})"));
  const Reply hits = line.post(kPoints + "/query", {{"query", {9, 9}}, {"limit", 1}});
  CHECK(ids_of(hits.result()["points"]) == std::vector<std::uint64_t>{2});
}

TEST_CASE("vectors of a point that does not exist change nothing") {
  Line line;
  const Reply reply =
      line.call("PUT", kPoints + "/vectors", R"({"points":[{"id":1,"vector":[9,9]},{"id":7,"vector":[1,1]}]})");
  CHECK(reply.status == 404);
  CHECK(reply.error() == "Not found: No point with id 7 found");
  CHECK(line.point(1)["vector"] == json::parse("[1,0]"));
  CHECK(line.call("PUT", kPoints + "/vectors", R"({"points":[{"id":1,"vector":[1]}]})").error() ==
        "Wrong input: Vector dimension error: expected dim: 2, got 1");
  const Reply removal = line.call("POST", kPoints + "/vectors/delete", R"({"points":[1],"vector":[""]})");
  CHECK(removal.status == 400);
  CHECK(removal.error().find("exactly one vector") != std::string::npos);
}

TEST_CASE("an upsert can be only an insertion or only an update") {
  Line line;
  line.call("PUT", kPoints, R"({"update_mode":"insert_only","points":[{"id":1,"vector":[5,5]},{"id":4,"vector":[4,4]}]})");
  CHECK(line.point(1)["vector"] == json::parse("[1,0]"));
  CHECK(line.point(4)["vector"] == json::parse("[4,4]"));
  line.call("PUT", kPoints, R"({"update_mode":"update_only","points":[{"id":1,"vector":[5,5]},{"id":5,"vector":[4,4]}]})");
  CHECK(line.point(1)["vector"] == json::parse("[5,5]"));
  CHECK(line.get(kPoints + "/5").status == 404);
}

TEST_CASE("an update filter guards points that exist") {
  Line line;
  line.call("PUT", kPoints, R"({"update_filter":{"must":[{"key":"name","match":{"value":"2"}}]},
    "points":[{"id":1,"vector":[7,7]},{"id":2,"vector":[7,7]},{"id":6,"vector":[7,7]}]})");
  CHECK(line.point(1)["vector"] == json::parse("[1,0]"));
  CHECK(line.point(2)["vector"] == json::parse("[7,7]"));
  CHECK(line.point(6)["vector"] == json::parse("[7,7]"));
}

TEST_CASE("a batch updates vectors in its turn") {
  Line line;
  const Reply reply = line.call("POST", kPoints + "/batch?wait=true", R"({"operations":[
    {"update_vectors":{"points":[{"id":1,"vector":[8,8]}]}},{"set_payload":{"payload":{"x":1},"points":[1]}}]})");
  REQUIRE(reply.status == 200);
  CHECK(reply.result().size() == 2);
  CHECK(line.point(1)["vector"] == json::parse("[8,8]"));
  CHECK(line.point(1)["payload"]["x"] == 1);
}

}  // namespace nestor::server::testing
