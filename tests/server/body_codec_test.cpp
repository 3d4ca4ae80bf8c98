#include "server/body_codec.h"

#include <random>

#include "server/gzip.h"
#include "server/protocol.h"
#include "tests/server/support/api_fixture.h"
#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

std::string packed(BodyFormat format, const json& value) {
  std::string out;
  if (format == BodyFormat::cbor)
    json::to_cbor(value, nlohmann::detail::output_adapter<char>(out));
  else
    json::to_msgpack(value, nlohmann::detail::output_adapter<char>(out));
  return out;
}

json unpacked(BodyFormat format, const std::string& body) {
  return format == BodyFormat::cbor ? json::from_cbor(body) : json::from_msgpack(body);
}

std::string refusal(BodyFormat format, const std::string& body) {
  try {
    binary_to_json(format, body, 16);
  } catch (const HttpError& error) {
    CHECK(error.status() == 400);
    return error.message();
  }
  return "";
}

json bytes_of(const std::vector<float>& vector) {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(vector.data());
  return json::binary({begin, begin + 4 * vector.size()});
}

}  // namespace

TEST_CASE("a value is the same whichever way it came") {
  const json value = {{"a", {1, -2, 3.5, 0.1, nullptr, true, "text \"\\ \n \u00e9"}},
                      {"empty", json::array()},
                      {"nothing", json::object()},
                      {"large", 18446744073709551615ull},
                      {"small", -9223372036854775807ll},
                      {"nested", {{"b", {json::array({1}), json::array()}}}}};
  for (const BodyFormat format : {BodyFormat::cbor, BodyFormat::msgpack}) {
    CHECK(json::parse(binary_to_json(format, packed(format, value), 16)) == value);
    CHECK(unpacked(format, json_to_binary(format, value.dump())) == value);
  }
}

TEST_CASE("integers beyond 64 bits are refused, not bent") {
  for (const char* bytes : {"\x3B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",     // -2^64
                            "\x3B\x80\x00\x00\x00\x00\x00\x00\x00"}) {  // -2^63 - 1
    const std::string body(bytes, 9);
    CHECK(refusal(BodyFormat::cbor, body).find("an integer below -9223372036854775808") != std::string::npos);
    CHECK_FALSE(refusal(BodyFormat::cbor, "\x81" + body).empty());
  }
  CHECK(binary_to_json(BodyFormat::cbor, std::string("\x3B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9), 16) ==
        "-9223372036854775808");
  CHECK(binary_to_json(BodyFormat::msgpack, std::string("\xD3\x00\x00\x00\x00\x00\x00\x00\x05", 9), 16) == "5");
  CHECK_FALSE(refusal(BodyFormat::cbor, std::string("\xC2\x49\x01\0\0\0\0\0\0\0\0", 11)).empty());  // 2^64
}

TEST_CASE("a float stays a float, so that it is no id and no token") {
  for (const BodyFormat format : {BodyFormat::cbor, BodyFormat::msgpack}) {
    CHECK(binary_to_json(format, packed(format, json{3.0, -0.0, 1e22, 16777217.0, 3}), 16) ==
          "[3.0,-0.0,1e+22,16777217.0,3]");
    ApiFixture f;
    f.create(2);
    const auto put = [&](const json& id, const json& payload) {
      const std::string body =
          packed(format, {{"points", {{{"id", id}, {"vector", {1.0, 2.0}}, {"payload", payload}}}}});
      return f.call("PUT", "/collections/c/points", body, {{"content-type", media_type(format)}});
    };
    CHECK(put(3, {{"x", 3.0}}).status == 200);
    CHECK(put(3.0, json::object()).status == 400);
    CHECK(f.get("/collections/c/points/3").raw.body.find("\"x\":3.0") != std::string::npos);
  }
}

TEST_CASE("a float32 is written shortly and reads back as itself") {
  for (const BodyFormat format : {BodyFormat::cbor, BodyFormat::msgpack})
    CHECK(binary_to_json(format, packed(format, json{0.1f, 0.1, 1e300}), 16) == "[0.1,0.1,1e+300]");
}

TEST_CASE("bodies that are no values in JSON's sense are refused with what is wrong") {
  for (const BodyFormat format : {BodyFormat::cbor, BodyFormat::msgpack}) {
    const std::string good = packed(format, json{{"a", {1, 2, 3}}, {"b", "text"}});
    for (std::size_t cut = 1; cut < good.size(); ++cut) CHECK_FALSE(refusal(format, good.substr(0, cut)).empty());
    CHECK_FALSE(refusal(format, good + "x").empty());
    CHECK(refusal(format, packed(format, json::parse("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"))).find("deeper than 16") !=
          std::string::npos);
  }
  CHECK(refusal(BodyFormat::cbor, std::string(1'000'000, '\x81')).find("deeper than 16") != std::string::npos);
  CHECK(refusal(BodyFormat::msgpack, std::string(1'000'000, '\x91')).find("deeper than 16") != std::string::npos);
  CHECK(refusal(BodyFormat::cbor, "\xf9\x7e").starts_with("Format error in CBOR body: "));
  CHECK(refusal(BodyFormat::cbor, std::string("\xfa\x7f\xc0\0\0", 5)).find("not finite") != std::string::npos);  // NaN
  CHECK(refusal(BodyFormat::cbor, "\x62\xff\xfe").find("not UTF-8") != std::string::npos);
  CHECK_FALSE(refusal(BodyFormat::cbor, "\xa1\x01\x02").empty());                          // a number as a key
  CHECK_FALSE(refusal(BodyFormat::cbor, "\x9b\xff\xff\xff\xff\xff\xff\xff\xff").empty());  // 2^64 - 1 elements
  CHECK_FALSE(refusal(BodyFormat::msgpack, "\xc6\xff\xff\xff\xff").empty());               // 4 GiB of bytes
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    const BodyFormat format = round % 2 ? BodyFormat::cbor : BodyFormat::msgpack;
    std::string body(1 + random() % 40, '\0');
    for (char& c : body) c = static_cast<char>(random());
    try {
      const std::string text = binary_to_json(format, body, 16);
      REQUIRE(json::accept(text));
    } catch (const HttpError& error) {
      REQUIRE(error.status() == 400);
    }
  }
}

TEST_CASE("points are written and found with CBOR and MessagePack, vectors as lists or as bytes") {
  for (const BodyFormat format : {BodyFormat::cbor, BodyFormat::msgpack}) {
    ApiFixture fixture;
    fixture.create(3);
    const std::string type(media_type(format));
    const auto ask = [&](std::string_view method, std::string_view target, const json& body) {
      const Reply reply =
          fixture.call(method, target, packed(format, body), {{"Content-Type", type}, {"Accept", type}});
      CHECK(reply.raw.content_type == type);
      return unpacked(format, reply.raw.body);
    };
    const json written = ask("PUT", "/collections/c/points",
                             {{"points",
                               {{{"id", 1}, {"vector", {1, 2, 3}}, {"payload", {{"a", "b"}}}},
                                {{"id", 2}, {"vector", bytes_of({4, 5, 6})}}}}});
    CHECK(written["result"]["status"] == "acknowledged");
    const json found = ask("POST", "/collections/c/points/query",
                           {{"query", bytes_of({4, 5, 7})}, {"limit", 1}, {"with_vector", true}});
    CHECK(found["result"]["points"][0]["id"] == 2);
    CHECK(found["result"]["points"][0]["vector"] == json{4.0, 5.0, 6.0});
    const Reply mixed = fixture.call("POST", "/collections/c/points/query",
                                     packed(format, {{"query", {1.5, 2.5, 3.5}}}), {{"content-type", type + "; x=y"}});
    CHECK(mixed.result()["points"][0]["id"] == 1);
    const Reply broken =
        fixture.call("POST", "/collections/c/points/query", "\xc1", {{"Content-Type", type}, {"Accept", type}});
    CHECK(broken.status == 400);
    CHECK_FALSE(broken.error().empty());  // an error is always JSON
  }
}

TEST_CASE("the form of an answer follows Accept") {
  CHECK(format_of_accept("") == BodyFormat::json);
  CHECK(format_of_accept("*/*") == BodyFormat::json);
  CHECK(format_of_accept("application/json, application/cbor") == BodyFormat::json);
  CHECK(format_of_accept("text/html, Application/CBOR;q=0.9") == BodyFormat::cbor);
  CHECK(format_of_accept("application/x-msgpack") == BodyFormat::msgpack);
  CHECK(format_of_content_type("application/vnd.msgpack; charset=binary") == BodyFormat::msgpack);
  CHECK(format_of_content_type("application/json") == BodyFormat::json);
}

TEST_CASE("large answers are compressed for those who take gzip, and only for them") {
  RequestLimits limits;
  limits.gzip_bytes = 500;
  ApiFixture fixture(limits);
  fixture.create(8);
  fixture.fill_line(20, 8);
  const auto scroll = [&](std::string_view accept, int limit) {
    return fixture
        .call("POST", "/collections/c/points/scroll", json{{"limit", limit}, {"with_vector", true}}.dump(),
              {{"Accept-Encoding", accept}})
        .raw;
  };
  const Response plain = scroll("", 20), small = scroll("gzip", 1);
  const Response packed_answer = scroll("deflate, gzip;q=0.5", 20);
  using Header = std::pair<std::string, std::string>;
  CHECK(plain.headers == std::vector<Header>{{"Vary", "Accept-Encoding"}});
  CHECK(small.headers.empty());
  CHECK(packed_answer.headers == std::vector<Header>{{"Vary", "Accept-Encoding"}, {"Content-Encoding", "gzip"}});
  CHECK(packed_answer.body.size() < plain.body.size() / 2);
  CHECK(packed_answer.body.starts_with("\x1f\x8b"));
  CHECK(takes_gzip("gzip, deflate, br"));
  CHECK(takes_gzip("*"));
  CHECK_FALSE(takes_gzip("gzip;q=0, *"));
  CHECK_FALSE(takes_gzip("gzip; q=0.000"));
  CHECK_FALSE(takes_gzip("identity, br"));
}

}  // namespace nestor::server::testing
