#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kPoints = "/collections/c/points";

// Points 1..count on a line, see fill_line.
struct Line : ApiFixture {
  explicit Line(int count) {
    create(2);
    fill_line(count, 2);
  }
  Reply send(const std::string& last, const std::string& body) { return call("POST", kPoints + last, body); }
  std::uint64_t count() { return post(kPoints + "/count", json::object()).result()["count"]; }
};

const std::string kToken1 = R"("filter":{"must":[{"key":"token","match":{"value":1}}]})";

}  // namespace

TEST_CASE("a query returns the nearest points that meet its filter") {
  Line line(300);
  const Reply query = line.send("/query", R"({"query":[100,0],"limit":3,)" + kToken1 + "}");
  REQUIRE(query.status == 200);
  CHECK(ids_of(query.result()["points"]) == std::vector<std::uint64_t>{100, 97, 103});
  const Reply search = line.send("/search", R"({"vector":[100,0],"limit":2,)" + kToken1 + "}");
  CHECK(ids_of(search.result()) == std::vector<std::uint64_t>{100, 97});
  // A query by id leaves its own point out; a listing has only what the filter lets through.
  const Reply by_id = line.send("/query", R"({"query":100,"limit":2,)" + kToken1 + "}");
  CHECK(ids_of(by_id.result()["points"]) == std::vector<std::uint64_t>{97, 103});
  const Reply listing = line.send("/query", R"({"limit":3,"offset":1,)" + kToken1 + "}");
  CHECK(ids_of(listing.result()["points"]) == std::vector<std::uint64_t>{4, 7, 10});
  CHECK(line.send("/query", R"({"query":[1,0],"filter":{"must":{"has_id":[999]}}})").result()["points"].empty());
  CHECK(ids_of(line.send("/query", R"({"query":[1,0],"filter":{"must":{"has_id":[7,5,5]}}})").result()["points"]) ==
        std::vector<std::uint64_t>{5, 7});
}

TEST_CASE("the queries of a batch each have their own filter") {
  Line line(30);
  const std::string same = R"({"query":[9,0],"limit":1,)" + kToken1 + "}";
  const Reply together = line.send("/query/batch", R"({"searches":[)" + same + "," + same + "]}");
  CHECK(together.result()[1]["points"][0]["id"] == 10);
  const Reply mixed = line.send("/query/batch", R"({"searches":[)" + same + R"(,{"query":[9,0],"limit":1},)" +
                                                    R"({"query":[9,0],"limit":1,"filter":{"must_not":{"has_id":[9]}}},)" +
                                                    same + "]}");
  std::vector<std::uint64_t> nearest;
  for (const json& answer : mixed.result()) nearest.push_back(answer["points"][0]["id"]);
  CHECK(nearest == std::vector<std::uint64_t>{10, 9, 8, 10});
}

TEST_CASE("counting and deleting by filter") {
  Line line(30);
  CHECK(line.send("/count", "{" + kToken1 + "}").result()["count"] == 10);
  CHECK(line.send("/count", R"({"filter":{}})").result()["count"] == 30);
  CHECK(line.send("/count", R"({"filter":{"must_not":[{"has_id":[1,2,999]}]}})").result()["count"] == 28);
  const Reply removed = line.send("/delete?wait=true", "{" + kToken1 + "}");
  CHECK(removed.status == 200);
  CHECK(removed.result()["status"] == "completed");
  CHECK(line.count() == 20);
  CHECK(line.send("/count", "{" + kToken1 + "}").result()["count"] == 0);
  CHECK(line.send("/delete", "{" + kToken1 + "}").status == 200);  // none left
  CHECK(line.send("/delete", R"({"filter":{},"points":[2]})").status == 400);
  CHECK(line.send("/delete", "{}").status == 400);
  CHECK(line.send("/delete", R"({"filter":null})").status == 400);
  CHECK(line.count() == 20);
}

TEST_CASE("scrolling by filter passes over what meets it in id order, common or rare") {
  Line line(3000);
  const auto pages = [&](const std::string& filter, int limit) {
    std::vector<std::uint64_t> seen;
    json offset;
    do {
      const Reply page = line.send("/scroll", R"({"limit":)" + std::to_string(limit) + R"(,"offset":)" + offset.dump() +
                                                  R"(,"with_payload":false,"filter":)" + filter + "}");
      REQUIRE(page.status == 200);
      const auto ids = ids_of(page.result()["points"]);
      CHECK(ids.size() <= static_cast<std::size_t>(limit));
      seen.insert(seen.end(), ids.begin(), ids.end());
      offset = page.result()["next_page_offset"];
    } while (!offset.is_null());
    return seen;
  };
  const std::string third = R"({"must":[{"key":"token","match":{"value":0}}]})";
  std::vector<std::uint64_t> expected;
  for (std::uint64_t id = 3; id <= 3000; id += 3) expected.push_back(id);
  CHECK(pages(third, 7) == expected);
  CHECK(pages(third, 1000) == expected);
  const std::string rare = R"({"must":[{"key":"name","match":{"any":["5","1500","2999","3000"]}}]})";
  CHECK(pages(rare, 1) == std::vector<std::uint64_t>{5, 1500, 2999, 3000});
  CHECK(pages(rare, 4) == std::vector<std::uint64_t>{5, 1500, 2999, 3000});
  CHECK(pages(R"({"must":[{"has_id":[2000,7,4000]}]})", 1) == std::vector<std::uint64_t>{7, 2000});
  CHECK(pages(R"({"must":[{"has_id":[]}]})", 1).empty());
}

TEST_CASE("a bad filter is refused everywhere and deletes nothing") {
  Line line(3);
  for (const std::string last : {"/query", "/search", "/scroll", "/count", "/delete"}) {
    const Reply reply = line.send(last, R"({"vector":[1,0],"limit":1,"filter":{"musst":[]}})");
    CHECK(reply.status == 400);
    CHECK(reply.error().find("unknown field `musst`") != std::string::npos);
  }
  CHECK(line.count() == 3);
}

TEST_CASE("a filter sees the token of a point that came without a payload field") {
  ApiFixture fixture;
  fixture.create(2);
  const std::vector<float> vector = {1, 2};
  const index::Point points[] = {{index::PointId::number(1), vector, {}, 42},
                                 {index::PointId::number(2), vector, R"({"a":1})", 43}};
  fixture.database->collection("c")->upsert(points);
  const auto count = [&](const std::string& filter) {
    return fixture.call("POST", kPoints + "/count", R"({"filter":)" + filter + "}").result()["count"];
  };
  CHECK(count(R"({"must":[{"key":"token","range":{"gte":42}}]})") == 2);
  CHECK(count(R"({"must":[{"key":"token","match":{"value":43}},{"key":"a","match":{"value":1}}]})") == 1);
}

}  // namespace nestor::server::testing
