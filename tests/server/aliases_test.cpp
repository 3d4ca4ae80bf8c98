#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

struct Two : ApiFixture {
  Two() {
    create(2);
    fill_line(3, 2);
    put("/collections/d", {{"vectors", {{"size", 2}, {"distance", "Cosine"}}}});
  }
  Reply change(const std::string& actions) {
    return call("POST", "/collections/aliases", R"({"actions":[)" + actions + "]}");
  }
  std::string count(const std::string& name) {
    const Reply reply = post("/collections/" + name + "/points/count", json::object());
    return reply.status == 200 ? reply.result()["count"].dump() : reply.error();
  }
};

const std::string kCreate = R"({"create_alias":{"collection_name":"c","alias_name":"now"}})";

}  // namespace

TEST_CASE("an alias stands for its collection wherever a name does") {
  Two two;
  CHECK(two.change(kCreate).result() == true);
  CHECK(two.count("now") == "3");
  CHECK(two.get("/collections/now/exists").result()["exists"] == true);
  CHECK(two.get("/collections/now").result()["points_count"] == 3);
  CHECK(two.get("/aliases").result() ==
        json::parse(R"({"aliases":[{"alias_name":"now","collection_name":"c"}]})"));
  CHECK(two.get("/collections/c/aliases").result()["aliases"].size() == 1);
  CHECK(two.get("/collections/d/aliases").result()["aliases"].empty());
  CHECK(two.get("/collections").result()["collections"].size() == 2);
}

TEST_CASE("aliases switch together or not at all") {
  Two two;
  two.change(kCreate);
  const std::string switch_over = R"({"delete_alias":{"alias_name":"now"}},
    {"create_alias":{"collection_name":"d","alias_name":"now"}})";
  CHECK(two.change(switch_over).status == 200);
  CHECK(two.count("now") == "0");
  const Reply half = two.change(R"({"rename_alias":{"old_alias_name":"now","new_alias_name":"later"}},
    {"create_alias":{"collection_name":"missing","alias_name":"x"}})");
  CHECK(half.status == 404);
  CHECK(half.error() == "Not found: Collection `missing` doesn't exist!");
  CHECK(two.count("now") == "0");
  CHECK(two.change(R"({"rename_alias":{"old_alias_name":"now","new_alias_name":"later"}})").status == 200);
  CHECK(two.count("now") == "Not found: Collection `now` doesn't exist!");
  CHECK(two.count("later") == "0");
}

TEST_CASE("a name is either a collection or an alias") {
  Two two;
  two.change(kCreate);
  CHECK(two.change(R"({"create_alias":{"collection_name":"c","alias_name":"d"}})").status == 409);
  const Reply taken = two.put("/collections/now", {{"vectors", {{"size", 2}, {"distance", "Dot"}}}});
  CHECK(taken.status == 400);
  CHECK(taken.error() == "Wrong input: Alias `now` already exists, a collection needs another name");
  CHECK(two.change(R"({"create_alias":{"collection_name":"c","alias_name":"a/b"}})").status == 422);
  CHECK(two.change(R"({"create_alias":{"collection_name":"c"}})").status == 400);
  CHECK(two.change(R"({"rename_alias":{"old_alias_name":"no","new_alias_name":"yes"}})").status == 404);
  CHECK(two.change(R"({"forget_alias":{}})").error().find("unknown action") != std::string::npos);
  CHECK(two.change(R"({"delete_alias":{"alias_name":"never was"}})").status == 200);
}

TEST_CASE("deleting a collection forgets its aliases, an alias is no name to delete by") {
  Two two;
  two.change(kCreate);
  CHECK(two.call("DELETE", "/collections/now").result() == false);
  CHECK(two.count("c") == "3");
  CHECK(two.call("DELETE", "/collections/c").result() == true);
  CHECK(two.get("/aliases").result()["aliases"].empty());
}

TEST_CASE("cluster calls answer as a single node") {
  Two two;
  CHECK(two.get("/cluster").result()["status"] == "disabled");
  CHECK(two.get("/collections/c/cluster").result()["local_shards"][0]["points_count"] == 3);
  const Reply refused = two.call("POST", "/collections/c/cluster", R"({"move_shard":{}})");
  CHECK(refused.status == 405);
  CHECK(refused.error() == "Nestor is running in standalone mode");
}

}  // namespace nestor::server::testing
