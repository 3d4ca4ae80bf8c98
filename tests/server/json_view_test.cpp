#include "server/json_view.h"

#include <nlohmann/json.hpp>
#include <random>

#include "server/protocol.h"
#include "tests/support/catch.h"

namespace nestor::server {
namespace {

bool accepts(std::string_view text) {
  try {
    const JsonDocument document(text);
    return true;
  } catch (const HttpError& error) {
    REQUIRE(error.status() == 400);
    return false;
  }
}

std::string complaint(std::string_view text, std::size_t depth = 128) {
  try {
    const JsonDocument document(text, depth);
    return "";
  } catch (const HttpError& error) {
    return error.message();
  }
}

// What the document holds, read through every accessor, must be what nlohmann's reader found.
void require_same(const JsonValue& value, const nlohmann::json& twin) {
  switch (value.kind()) {
    case JsonKind::null: REQUIRE(twin.is_null()); return;
    case JsonKind::boolean: REQUIRE(twin.get<bool>() == *value.as_bool()); return;
    case JsonKind::number:
      REQUIRE(twin.get<double>() == *value.as_double());
      REQUIRE(twin.is_number_unsigned() == value.as_unsigned().has_value());
      if (twin.is_number_unsigned()) REQUIRE(twin.get<std::uint64_t>() == *value.as_unsigned());
      return;
    case JsonKind::string: REQUIRE(twin.get<std::string>() == *value.as_string()); return;
    case JsonKind::array: {
      const auto items = value.items();
      REQUIRE(twin.is_array());
      REQUIRE(items.size() == twin.size());
      for (std::size_t i = 0; i < items.size(); ++i) require_same(items[i], twin[i]);
      return;
    }
    case JsonKind::object:
      REQUIRE(twin.is_object());
      for (const auto& [key, member] : twin.items()) {
        const auto found = value.find(key);
        REQUIRE(found.has_value());
        require_same(*found, member);
      }
  }
}

const std::vector<std::string> kTexts = {
    R"({"points":[{"id":18446744073709551615,"vector":[0.1,-2e-3,3],"payload":{"a":[true,false,null,"x"]}}]})",
    R"([ 1 , 2.5 , -0 , 1e10 , "text" , [1,2,[3]] , {} , [] ])",
    R"({"q":[1,2,{"a":1}],"\u0061b":"\ud83d\ude00 \n\t\"\\\/","é":"ü"})",
    "  \r\n\t[0.000001, 1E+2, 12345678901234567890123]  ",
    "true",
    "\"\"",
    "-0.0e-0",
};

}  // namespace

TEST_CASE("a document holds what nlohmann's reader finds in the same text") {
  for (const std::string& text : kTexts) {
    const JsonDocument document(text);
    require_same(document.root(), nlohmann::json::parse(text));
    REQUIRE(nlohmann::json::parse(document.root().text()) == nlohmann::json::parse(text));
  }
}

TEST_CASE("text that is not JSON is refused with its place") {
  CHECK(complaint("") == "Format error in JSON body: unexpected end of text, expected a value at line 1 column 1");
  CHECK(complaint("{\"a\":\n  nan}") == "Format error in JSON body: expected a value at line 2 column 3");
  CHECK(complaint("[1,]") == "Format error in JSON body: expected a value at line 1 column 4");
  CHECK(complaint("{\"a\":1} x") == "Format error in JSON body: trailing characters at line 1 column 9");
  CHECK(complaint("[1e999]") == "Format error in JSON body: number out of range at line 1 column 2");
  CHECK(complaint("[\"\xff\"]") == "Format error in JSON body: text that is not UTF-8 at line 1 column 3");
  CHECK(complaint("{'a':1}") == "Format error in JSON body: expected a key in double quotes at line 1 column 2");
  for (const char* text :
       {"[NaN]", "[Infinity]", "[-Infinity]", "[01]", "[+1]", "[.5]", "[1.]", "[1e]", "[0x10]", "[1 2]", "{\"a\" 1}",
        "{\"a\":}", "{,}", "[\"\\x\"]", "[\"\\ud800\"]", "[\"\\udc00\"]", "[\"a", "tru", "[\"\\u12g4\"]", "[\"\t\"]",
        "nul", "[[]", "[-]", "\xEF\xBB\xBF{}"})
    CHECK_FALSE(accepts(text));
}

TEST_CASE("nesting is limited") {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  CHECK(complaint(nested(16), 16).empty());
  CHECK(complaint(nested(17), 16) == "Format error in JSON body: nested deeper than 16 levels at line 1 column 17");
  CHECK_FALSE(accepts(std::string(1'000'000, '[')));
}

TEST_CASE("numbers too large for a double are refused, numbers too small are zero") {
  CHECK(number_overflows("1e309"));
  CHECK(number_overflows("-1e309"));
  CHECK(number_overflows("1e99999999999999999999"));
  CHECK(number_overflows(std::string(400, '9')));
  CHECK(number_overflows(std::string(200, '9') + "e200"));
  CHECK_FALSE(number_overflows("1.7976931348623157e308"));
  CHECK_FALSE(number_overflows("1e-99999999999999999999"));
  CHECK_FALSE(number_overflows("0." + std::string(400, '0') + "1"));
  CHECK_FALSE(number_overflows("0.000e999999999999999999999"));
  CHECK_FALSE(number_overflows(std::string(400, '9') + "e-200"));
  const JsonDocument document("1e-400");
  CHECK(document.root().as_double() == 0.0);
}

TEST_CASE("integers are exact up to 64 bits and booleans are no numbers") {
  const JsonDocument document(R"([18446744073709551615, 9007199254740993, 18446744073709551616, -1, 1.0, true])");
  const auto items = document.root().items();
  CHECK(items[0].as_unsigned() == 18446744073709551615u);
  CHECK(items[1].as_unsigned() == 9007199254740993u);
  for (std::size_t i = 2; i < items.size(); ++i) CHECK_FALSE(items[i].as_unsigned().has_value());
  CHECK_FALSE(items[5].as_double().has_value());
}

TEST_CASE("of equal keys the last one counts, and keys are compared after decoding") {
  const JsonDocument document(R"({"a":1,"\u0061":2})");
  CHECK(document.root().find("a")->as_unsigned() == 2u);
  CHECK_FALSE(document.root().find("b").has_value());
}

TEST_CASE("an array of numbers knows its length without nodes") {
  const JsonDocument document("[[1, 2,3 ],[1,\"2\"],[],[[1]]]");
  const auto items = document.root().items();
  CHECK(items[0].is_number_array());
  CHECK(items[0].size() == 3);
  CHECK(items[0].text() == "[1, 2,3 ]");
  for (std::size_t i = 1; i < items.size(); ++i) CHECK_FALSE(items[i].is_number_array());
}

TEST_CASE("damaged texts are refused exactly where nlohmann's reader refuses them") {
  const auto seed = GENERATE(range(1u, 9u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const std::string alphabet = "{}[]\",:0123456789.eE+-\\u truefalsn\n\xc3\xa9\xed\xf0";
  for (int round = 0; round < 4000; ++round) {
    std::string text = kTexts[random() % kTexts.size()];
    for (unsigned edits = 1 + random() % 3; edits > 0 && !text.empty(); --edits) {
      const std::size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0: text[at] = c; break;
        case 1: text.insert(at, 1, c); break;
        default: text.erase(at, 1 + random() % 3);
      }
    }
    const bool expected = nlohmann::json::accept(text);
    if (accepts(text) != expected) FAIL_CHECK("differs on: " << text);
    if (!expected) continue;
    const JsonDocument document(text);
    require_same(document.root(), nlohmann::json::parse(text));
  }
}

}  // namespace nestor::server
