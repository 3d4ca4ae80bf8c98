#include "server/vector_reader.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <random>

#include "server/json_writer.h"
#include "server/protocol.h"
#include "tests/support/catch.h"

namespace nestor::server {
namespace {

std::vector<float> read(const std::string& text) {
  const JsonDocument document(text);
  std::vector<float> out;
  append_coordinates(document.root(), "query", out);
  return out;
}

std::string complaint(const std::string& text) {
  try {
    read(text);
    return "";
  } catch (const HttpError& error) {
    CHECK(error.status() == 400);
    return error.message();
  }
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

TEST_CASE("coordinates are rounded once, to the nearest float32") {
  // Half way between two floats, and a hair above: through a double both would become the even one.
  CHECK(read("[1.000000059604644775390625]")[0] == 1.0f);
  CHECK(same_bits(read("[1.00000005960464477539062500000000000001]")[0], std::nextafter(1.0f, 2.0f)));
  CHECK(read("[ 0.1,\n-2 , 3e2]") == std::vector<float>{0.1f, -2.0f, 300.0f});
  CHECK(read("[3.4028234e38]")[0] == std::numeric_limits<float>::max());
}

TEST_CASE("what is too small for float32 becomes zero of the same sign") {
  const auto values = read("[1e-50, -1e-50, 1e-400, 7e-46, 1e-45]");
  for (std::size_t i = 0; i < 4; ++i) CHECK(values[i] == 0.0f);
  CHECK(std::signbit(values[1]));
  CHECK(values[4] == std::numeric_limits<float>::denorm_min());
}

TEST_CASE("what is too large for float32 is refused with its place") {
  CHECK(complaint("[0, 1e39]") == "Wrong input: number 1e39 at position 1 of `query` does not fit into a 32-bit float");
  CHECK(complaint("[-3.5e38]").find("-3.5e38 at position 0") != std::string::npos);
}

TEST_CASE("what is no dense vector is refused by its kind") {
  CHECK(complaint("[1, true]") == "Format error in JSON body: invalid type: boolean `true` at position 1 of `query`, "
                                  "expected a number");
  CHECK(complaint("[1, null]").find("null at position 1") != std::string::npos);
  CHECK(complaint("[1, \"2\"]").find("string \"2\" at position 1") != std::string::npos);
  CHECK(complaint("[[1]]").find("multivector") != std::string::npos);
  CHECK(complaint("{\"indices\":[1],\"values\":[1]}").find("sparse vector") != std::string::npos);
  CHECK(complaint("[]") == "Wrong input: dense vector must not be empty (`query`)");
  CHECK(complaint("\"AAAA\"").find("holds 3 bytes") != std::string::npos);
  CHECK(complaint("3").find("number `3`, expected a vector") != std::string::npos);
}

TEST_CASE("floats written are read back bit for bit") {
  const auto seed = GENERATE(range(1u, 5u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::vector<float> vector;
  while (vector.size() < 5000) {
    const std::uint32_t bits = static_cast<std::uint32_t>(random());
    float value;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) vector.push_back(value);
  }
  std::string text;
  append_vector(text, vector);
  const auto back = read(text);
  REQUIRE(back.size() == vector.size());
  for (std::size_t i = 0; i < back.size(); ++i) REQUIRE(same_bits(back[i], vector[i]));
}

TEST_CASE("what is not finite is written as a number that JSON has") {
  std::string out;
  append_float(out, std::numeric_limits<float>::infinity());
  out += ' ';
  append_float(out, std::nanf(""));
  CHECK(out == "3.4028235e+38 0.0");
}

TEST_CASE("strings are escaped and bytes that are not UTF-8 replaced") {
  std::string out;
  append_string(out, "a\"b\\c\n\x01\xc3\xa9\xff");
  CHECK(out == "\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\xEF\xBF\xBD\"");
}

TEST_CASE("base64 strings hold float32, or float16 when they have two bytes a coordinate") {
  const auto read_string = [](const std::string& text, std::size_t dim) {
    const std::string quoted = "\"" + text + "\"";
    const JsonDocument document(quoted);
    std::vector<float> out;
    append_coordinates(document.root(), "query", out, {dim});
    CHECK(vector_length(document.root(), "query", {dim}) == out.size());
    return out;
  };
  CHECK(read_string("AACAPwAAAMA=", 2) == std::vector<float>{1.0f, -2.0f});
  CHECK(read_string("AACAPw\\/AAMA=", 0).size() == 2);  // "\/" is JSON for "/"
  CHECK(read_string("ADwAwA==", 2) == std::vector<float>{1.0f, -2.0f});
  CHECK(read_string("AACAPw==", 2).size() == 2);  // two float16: the full width goes first
  CHECK(read_string("AACAPw==", 8) == std::vector<float>{1.0f});
  const auto refused = [&](const std::string& text) {
    try {
      read_string(text, 3);
      return std::string();
    } catch (const HttpError& error) {
      CHECK(error.status() == 400);
      return error.message();
    }
  };
  for (const std::string bad : {"AACAPw", "AACAPw=", "AACAPx==", "AACA Pw=", "AACAPw==AACAPw==", "AAC-Pw==", "====",
                                "A===", "AACAPw=\\n", "AACA\u00fc"})
    CHECK(refused(bad).find("is not base64") != std::string::npos);
  CHECK(refused("").find("holds 0 bytes") != std::string::npos);
  CHECK(refused("AAAA").find("holds 3 bytes") != std::string::npos);
}

TEST_CASE("base64 strings of a stated width or type") {
  const auto read_prefix = [](const std::string& text, std::size_t dim, std::size_t width) {
    const std::string quoted = "\"" + text + "\"";
    const JsonDocument document(quoted);
    std::vector<float> out;
    append_coordinates(document.root(), "query", out, {dim, width});
    CHECK(vector_length(document.root(), "query", {dim, width}) == out.size());
    return out;
  };
  CHECK(read_prefix("ADwAwA==", 8, 2) == std::vector<float>{1.0f, -2.0f});      // two float16
  CHECK(read_prefix("AACAPwAAAMA=", 8, 2) == std::vector<float>{1.0f, -2.0f});  // two float32
  CHECK(read_prefix("AACAPwAAAMA=", 4, 2) == std::vector<float>{1.0f, -2.0f});  // not four float16: what is stated counts
  const auto packed = [](const std::string& text, std::string_view type) {
    const std::string quoted = "\"" + text + "\"";
    const JsonDocument document(quoted);
    std::vector<float> out;
    append_packed(document.root(), "query", parse_packed_type(type), out);
    return out;
  };
  CHECK(packed("/38BgA==", "int8") == std::vector<float>{-1, 127, 1, -128});
  CHECK(packed("/38BgA==", "uint8") == std::vector<float>{255, 127, 1, 128});
  CHECK(packed("oQ==", "binary") == std::vector<float>{1, -1, 1, -1, -1, -1, -1, 1});
  CHECK(packed("ADwAwA==", "float16") == std::vector<float>{1.0f, -2.0f});
  CHECK(packed("AACAPwAAAMA=", "float32") == std::vector<float>{1.0f, -2.0f});
  CHECK_THROWS_AS(packed("AACA", "float32"), HttpError);
  CHECK_THROWS_AS(packed("", "int8"), HttpError);
  CHECK_THROWS_AS(parse_packed_type("int4"), HttpError);
}

}  // namespace nestor::server
