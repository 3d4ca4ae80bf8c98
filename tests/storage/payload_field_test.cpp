#include "storage/payload_field.h"

#include <string>

#include "tests/support/catch.h"

namespace nestor::storage {

TEST_CASE("a field is found at the top of an object, whatever stands around it", "[payload_field]") {
  const std::string object =
      R"( { "a" : {"weight": 9, "x": [1, "}"]}, "text": "\"weight\":7,{", "weight" : 2.5 , "doc_id":18446744073709551614,"s":"1" } )";
  CHECK(payload_number(object, "weight") == 2.5);
  CHECK(payload_unsigned(object, "doc_id") == 18446744073709551614ull);
  CHECK(payload_field(object, "a") == R"({"weight": 9, "x": [1, "}"]})");
  CHECK(payload_field(object, "s") == R"("1")");
  CHECK_FALSE(payload_number(object, "s").has_value());
  CHECK_FALSE(payload_unsigned(object, "weight").has_value());
  CHECK_FALSE(payload_field(object, "x").has_value());
  CHECK(payload_number(R"({"w":1,"w":2})", "w") == 2);
}

TEST_CASE("text that is no object has no fields and is not read beyond its end", "[payload_field]") {
  for (const char* text : {"", " ", "{", "{}", "[1]", "{\"weight", "{\"weight\"", "{\"weight\":", "{\"weight\":\"",
                           "{\"weight\":\"\\", "{\"weight\" 1}", "{1:2}", "null"})
    CHECK_FALSE(payload_number(text, "weight").has_value());
  const std::string object = R"({"a":[1,{"b":"c\\"}],"weight":3})";
  for (std::size_t length = 0; length < object.size() - 2; ++length)
    CHECK_FALSE(payload_number(std::string_view(object).substr(0, length), "weight").has_value());
}

}  // namespace nestor::storage
