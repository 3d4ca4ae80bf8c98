#include <filesystem>
#include <fstream>
#include <optional>

#include "server/multipart.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

const std::string kSnapshots = "/collections/c/snapshots";

struct Line : ApiFixture {
  Line() {
    create(2);
    fill_line(5, 2);
  }
  int count(const std::string& name) {
    return post("/collections/" + name + "/points/count", json::object()).result()["count"].get<int>();
  }
  std::string bytes_of(const std::string& snapshot) { return get(kSnapshots + "/" + snapshot).raw.body; }
};

std::string form(const std::string& content) {
  return "--edge\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n--edge\r\nContent-Disposition: form-data; "
         "name=\"snapshot\"; filename=\"a\"\r\nContent-Type: application/octet-stream\r\n\r\n" +
         content + "\r\n--edge--\r\n";
}

}  // namespace

TEST_CASE("a snapshot is made, listed, recovered from its file and deleted") {
  Line line;
  const Reply made = line.call("POST", kSnapshots, "{}");
  INFO(made.raw.body);
  REQUIRE(made.status == 200);
  const std::string name = made.result()["name"];
  CHECK(made.result()["size"].get<int>() > 0);
  CHECK(made.result()["checksum"].get<std::string>().size() == 64);
  CHECK(made.result()["creation_time"].get<std::string>().size() == 19);
  CHECK(line.get(kSnapshots).result() == json::array({made.result()}));
  const std::string file = line.database->snapshot_file("c", name).string();
  line.call("POST", "/collections/c/points/delete", R"({"points":[1,2]})");
  const json body = {{"location", "file://" + file}, {"checksum", made.result()["checksum"]}};
  const Reply recovered = line.put(kSnapshots + "/recover", body);
  INFO(recovered.raw.body);
  CHECK(recovered.result() == true);
  CHECK(line.count("c") == 5);
  CHECK(line.put("/collections/copy/snapshots/recover", body).status == 200);
  CHECK(line.count("copy") == 5);
  CHECK(line.call("DELETE", kSnapshots + "/" + name).result() == true);
  CHECK(line.call("DELETE", kSnapshots + "/" + name).status == 404);
  CHECK(line.get(kSnapshots).result().empty());
}

TEST_CASE("who does not wait for a snapshot is answered at once") {
  Line line;
  const Reply made = line.call("POST", kSnapshots + "?wait=false", "{}");
  CHECK(made.status == 202);
  CHECK(made.body["status"] == "accepted");
  CHECK_FALSE(made.body.contains("result"));
  // Errands are done one after the other: behind a recovery all before it have been.
  const Reply waited = line.call("POST", kSnapshots, "{}");
  REQUIRE(waited.status == 200);
  const std::string name = waited.result()["name"];
  const json body = {{"location", "file://localhost" + line.database->snapshot_file("c", name).string()}};
  line.call("POST", "/collections/c/points/delete", R"({"points":[1,2]})");
  CHECK(line.put(kSnapshots + "/recover?wait=false", body).status == 202);
  CHECK(line.call("POST", "/collections/d/snapshots?wait=false", "{}").status == 404);
  CHECK(line.call("DELETE", kSnapshots + "/none.snapshot?wait=false").status == 404);
  CHECK(line.call("POST", kSnapshots + "?wait=soon", "{}").status == 400);
  CHECK(line.put(kSnapshots + "/recover?wait=false", {{"location", "file://elsewhere/a"}})
            .error()
            .find("Invalid snapshot URI, file path must be absolute or on localhost") != std::string::npos);
  line.finish_errands();
  CHECK(line.count("c") == 5);
  CHECK(line.get(kSnapshots).result().size() == 2);
}

TEST_CASE("what is no snapshot's name is that of none") {
  Line line;
  for (const char* name : {"..", "%2E%2E", "a%2Fb", "x", "..%2Fa.snapshot"}) {
    INFO(name);
    CHECK(line.get(kSnapshots + "/" + name).status == 404);
    CHECK(line.call("DELETE", kSnapshots + "/" + name).status == 404);
  }
}

TEST_CASE("a snapshot travels as a file, with its payload indexes") {
  Line line;
  line.call("PUT", "/collections/c/index", R"({"field_name":"name","field_schema":"keyword"})");
  const Reply made = line.call("POST", kSnapshots + "?wait=true", "{}");
  const Reply download = line.get(kSnapshots + "/" + made.result()["name"].get<std::string>());
  REQUIRE(download.status == 200);
  CHECK(download.raw.content_type == "application/octet-stream");
  CHECK(download.raw.body.size() == made.result()["size"].get<std::size_t>());
  const Reply uploaded = line.call("POST", "/collections/d/snapshots/upload", form(download.raw.body),
                                   {{"Content-Type", "multipart/form-data; boundary=edge"}});
  INFO(uploaded.raw.body);
  REQUIRE(uploaded.status == 200);
  CHECK(line.count("d") == 5);
  CHECK(line.get("/collections/d").result()["payload_schema"]["name"]["points"] == 5);
}

TEST_CASE("damaged, foreign and missing snapshots are refused") {
  Line line;
  const Reply made = line.call("POST", kSnapshots, "{}");
  std::string bytes = line.bytes_of(made.result()["name"]);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  const auto upload = [&](const std::string& content, const std::string& type) {
    return line.call("POST", kSnapshots + "/upload", content, {{"Content-Type", type}}).status;
  };
  CHECK(upload(form(bytes), "multipart/form-data; boundary=edge") == 400);
  CHECK(upload(form("garbage"), "multipart/form-data; boundary=edge") == 400);
  CHECK(upload(form("x"), "multipart/form-data; boundary=other") == 400);
  CHECK(upload("{}", "application/json") == 400);
  CHECK(line.count("c") == 5);
  const auto recover = [&](const std::string& location) {
    return line.put(kSnapshots + "/recover", {{"location", location}}).status;
  };
  CHECK(recover("https://example.org/a.snapshot") == 400);
  CHECK(recover("relative.snapshot") == 400);
  CHECK(line.get(kSnapshots + "/none.snapshot").status == 404);
  CHECK(line.get("/collections/none/snapshots").status == 404);
}

TEST_CASE("the whole database has snapshots of its own") {
  Line line;
  const Reply made = line.call("POST", "/snapshots", "{}");
  REQUIRE(made.status == 200);
  CHECK(line.get("/snapshots").result().size() == 1);
  CHECK(line.call("DELETE", "/snapshots/" + made.result()["name"].get<std::string>()).result() == true);
}

TEST_CASE("a form's part is found by its name, only whole, and however it is cut into pieces") {
  // nullopt: not found, or not all of it.
  const auto part = [](const std::string& type, std::string_view body, const std::string& name,
                       std::size_t step) -> std::optional<std::string> {
    FormPartReader reader(type, name);
    std::string content;
    for (std::size_t at = 0; at < body.size(); at += step) reader.feed(body.substr(at, step), content);
    return reader.is_complete() ? std::optional(content) : std::nullopt;
  };
  const std::string type = "multipart/form-data; boundary=\"edge\"";
  for (const std::size_t step : {1u, 2u, 3u, 7u, 1000u}) {
    INFO("pieces of " << step);
    for (const std::string content : {"a\r\nb", "", "\r\n", "\r\n--edg", "\r\n\r\n--edg\r\n--"})
      CHECK(part(type, form(content), "snapshot", step) == content);
    CHECK(part(type, form("a"), "other", step) == "x");
    CHECK_FALSE(part(type, form("a"), "none", step));
    CHECK_FALSE(part("text/plain; boundary=edge", form("a"), "snapshot", step));
  }
  const std::string whole = form("abc");
  for (std::size_t cut = 0; cut < whole.find("\r\n--edge--"); ++cut)
    CHECK_FALSE(part(type, std::string_view(whole).substr(0, cut), "snapshot", 5));
}

TEST_CASE("only the snapshot folder and configured ones are read from, and what is no snapshot is refused") {
  Line line;
  const Reply made = line.call("POST", kSnapshots, "{}");
  const auto kept = line.database->snapshot_file("c", made.result()["name"]);
  const auto recover = [&](Api& api, const std::string& location) {
    const std::string body = json{{"location", location}}.dump();
    return api.handle({"PUT", "/collections/d/snapshots/recover", body, {}}).status;
  };
  const tests::TemporaryDirectory elsewhere;
  const std::string copy = (elsewhere / "copy.snapshot").string();
  std::filesystem::copy_file(kept, copy);
  CHECK(recover(line.api, "file:///etc/passwd") == 403);
  CHECK(recover(line.api, "file:///nowhere/a.snapshot") == 403);
  CHECK(recover(line.api, "file:///etc/passwd%00.snapshot") == 400);
  CHECK(recover(line.api, "file://" + copy) == 403);
  const std::string folder = line.database->snapshot_directory().string();
  CHECK(recover(line.api, "file://" + folder + "/../../../../../../../../etc/passwd") == 403);
  CHECK(recover(line.api, "file://" + folder + "/none.snapshot") == 404);
  CHECK(recover(line.api, "file://" + folder) == 400);
  std::ofstream(folder + "/garbage.snapshot") << "not one";
  CHECK(recover(line.api, "file://" + folder + "/garbage.snapshot") == 400);
  std::filesystem::create_symlink("/etc/passwd", folder + "/link.snapshot");
  CHECK(recover(line.api, "file://" + folder + "/link.snapshot") == 403);
  CHECK_FALSE(line.database->contains("d"));
  Api wider(*line.database, {}, {{}, {}, {}, {elsewhere.path()}});
  CHECK(recover(wider, "file://" + copy) == 200);
  CHECK(recover(wider, "file:///etc/passwd") == 403);
}

TEST_CASE("a snapshot is not recovered at an alias's name over HTTP") {
  Line line;
  const Reply made = line.call("POST", kSnapshots, "{}");
  line.call("POST", "/collections/aliases", R"({"actions":[{"create_alias":{"collection_name":"c","alias_name":"x"}}]})");
  const std::string file = line.database->snapshot_file("c", made.result()["name"]).string();
  CHECK(line.put("/collections/x/snapshots/recover", {{"location", "file://" + file}}).status == 409);
  CHECK(line.database->collection_names() == std::vector<std::string>{"c"});
}

}  // namespace nestor::server::testing
