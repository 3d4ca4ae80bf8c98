#include "index/payload_check.h"

#include <nlohmann/json.hpp>
#include <random>

#include "tests/index/collection_fixtures.h"
#include "tests/storage/expect_error.h"
#include "tests/support/catch.h"

namespace nestor::tests {
namespace {

using index::ErrorCode;

std::string refusal(std::string_view payload, std::optional<std::uint32_t> value = {}) {
  return error_of(ErrorCode::invalid_argument, [&] { check_payload(PointId::number(7), payload, value); });
}

std::string nested(std::size_t levels) {
  std::string text = "{\"a\":";
  for (std::size_t i = 1; i < levels; ++i) text += '[';
  text += levels == 1 ? "1" : "";
  for (std::size_t i = 1; i < levels; ++i) text += ']';
  return text + "}";
}

const std::vector<std::string> kNoPayloads = {"{\"x\": NaN}",
                                              "{\"x\": Infinity}",
                                              "{\"x\": -Infinity}",
                                              "{\"x\": \"\\ud800\"}",
                                              "{\"x\": \"\\udc00\\ud800\"}",
                                              "[1, 2]",
                                              "\"hello\"",
                                              "null",
                                              "1",
                                              " ",
                                              "{",
                                              "{\"a\":1}}",
                                              "{\"a\":1,}",
                                              "{a:1}",
                                              "{\"a\" 1}",
                                              "{\"a\":01}",
                                              "{\"a\":1e400}",
                                              "{\"x\":\"\xff\"}",
                                              "{\"x\":\"\xed\xa0\x80\"}",
                                              "{\"\xc0\x80\":1}",
                                              "{\"x\":\"\n\"}",
                                              "{'a':1}"};

}  // namespace

TEST_CASE("a payload is the text of one JSON object, and what is not is refused by point and place") {
  CHECK(refusal("{\"x\": NaN}") ==
        "the payload of point 7 is not the text of a JSON object: expected a value at byte 6");
  CHECK(mentions(refusal("[1, 2]"), "expected an object at byte 0"));
  CHECK(mentions(refusal("{\"x\":\"\\ud800\"}"), "lone surrogate in an escape at byte 12"));
  CHECK(mentions(refusal("{\"x\":\"\xff\"}"), "text that is not UTF-8 at byte 6"));
  for (const std::string& text : kNoPayloads) {
    INFO(text);
    CHECK_FALSE(refusal(text).empty());
    CHECK_FALSE(payload_trouble(text).empty());
  }
  for (const char* text : {"", "{}", " {\"a\" : [1, -2.5e3, \"\\ud83d\\ude00 ü\", null, true, {\"b\":{}}]}\n"}) {
    CHECK_FALSE(check_payload(PointId::number(7), text, {}));
    CHECK(payload_trouble(text).empty());
  }
}

TEST_CASE("a payload is nested and long within limits, and what was stored by larger ones can be read") {
  CHECK_FALSE(check_payload(PointId::number(7), nested(kMaxPayloadDepth), {}));
  CHECK(mentions(refusal(nested(kMaxPayloadDepth + 1)), "nested deeper than 128 levels"));
  CHECK(payload_trouble(nested(1000)).empty());
  CHECK_FALSE(payload_trouble(nested(1001)).empty());
  CHECK(mentions(refusal("{\"a\":" + std::string(1'000'000, '[')), "nested deeper"));
  CHECK(mentions(refusal("{\"a\":\"" + std::string(kMaxPayloadBytes, 'x') + "\"}"), "bytes, at most 33554432"));
}

TEST_CASE("the token of a payload is the value of its point, and two that differ are refused") {
  const auto value = [](std::string_view payload, std::optional<std::uint32_t> given = {}) {
    return check_payload(PointId::number(7), payload, given);
  };
  CHECK(value("{\"token\":5}") == 5u);
  CHECK(value("{\"t\\u006fken\":5}") == 5u);
  CHECK(value("{\"token\":4,\"token\":5}") == 5u);
  CHECK(value("{\"token\":5}", 5) == 5u);
  CHECK(value("{\"a\":1}", 5) == 5u);
  CHECK(value("", 5) == 5u);
  CHECK(value("{\"token\":4294967294}") == 4294967294u);
  for (const char* none : {"{\"token\":4294967295}", "{\"token\":-1}", "{\"token\":1.0}", "{\"token\":\"5\"}",
                           "{\"a\":{\"token\":5}}", "{}", ""})
    CHECK_FALSE(value(none));
  CHECK(refusal("{\"token\":9}", 3) == "the payload of point 7 has the token 9, but the point's value is 3");
  CHECK(mentions(refusal("{\"token\":\"3\"}", 3), "has the token \"3\""));
  CHECK(mentions(refusal("", 4294967295u), "reserved"));
}

TEST_CASE("damaged payloads are refused exactly where nlohmann's reader refuses them") {
  const auto seed = GENERATE(range(1u, 5u));
  CAPTURE(seed);
  std::mt19937 random(seed);
  const std::string whole = R"({"a":[1,2.5,-0e1],"b":{"c":"\ud83d\ude00 é\n"},"token":7,"d":[true,false,null,{}]})";
  const std::string alphabet = "{}[]\",:0123456789.eE+-\\u truefalsn\n\xc3\xa9\xed\xf0";
  for (int round = 0; round < 4000; ++round) {
    std::string text = whole;
    for (unsigned edits = 1 + random() % 3; edits > 0 && !text.empty(); --edits) {
      const std::size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0: text[at] = c; break;
        case 1: text.insert(at, 1, c); break;
        default: text.erase(at, 1 + random() % 3);
      }
    }
    const auto value = nlohmann::json::parse(text, nullptr, false);
    if (payload_trouble(text).empty() != value.is_object()) FAIL_CHECK("differs on: " << text);
  }
}

TEST_CASE("a collection refuses a payload that is none with nothing written, however it comes") {
  CollectionFixture f;
  f.fill(3);
  const std::vector<float> row(kDim, 1.0f);
  for (const std::string& text : kNoPayloads) {
    INFO(text);
    const std::vector<Point> points = {{PointId::number(10), row, "{\"a\":1}", {}},
                                       {PointId::number(11), row, text, {}}};
    error_of(ErrorCode::invalid_argument, [&] { f.collection->upsert(points); });
    const PointId id = PointId::number(1);
    error_of(ErrorCode::invalid_argument, [&] {
      f.collection->update_payloads({&id, 1}, [&](const RowHeader&, std::string_view) {
        return PayloadUpdate{text, {}};
      });
    });
  }
  CHECK(f.collection->count() == 3);
  CHECK(f.collection->get(PointId::number(1), false, true)->payload.empty());
}

TEST_CASE("a point takes its value from its payload's token, as does one whose payload changes") {
  CollectionFixture f;
  const std::vector<float> row(kDim, 1.0f);
  const PointId id = PointId::number(1);
  f.collection->upsert(std::vector<Point>{{id, row, "{\"token\":9}", {}}});
  CHECK(f.collection->get(id, false, false)->value == 9u);
  f.collection->update_payloads({&id, 1}, [](const RowHeader&, std::string_view) {
    return PayloadUpdate{"{\"token\":4}", {}};
  });
  CHECK(f.collection->get(id, false, false)->value == 4u);
}

TEST_CASE("a stored payload that cannot be read is null and said, and others are as they were") {
  CollectionFixture f;
  f.fill(30);
  const std::vector<float> row(kDim, 1.0f);
  WriteOperation operation;  // what an older version wrote
  operation.sequence = f.records->state().sequence + 1;
  operation.next_slot = f.records->state().next_slot;
  for (std::uint64_t i = 0; i < 20; ++i)
    operation.upserts.push_back(
        {PointId::number(100 + i), operation.next_slot++, kNoSlot, row, i == 19 ? "{\"a\":1}" : "{\"x\": NaN}", {}});
  f.records->write(operation);
  f.open();
  for (const Record& record : f.collection->scroll(PointId::number(100), 19, false, true))
    CHECK(record.payload == "null");
  CHECK(f.collection->get(PointId::number(119), false, true)->payload == "{\"a\":1}");
  CHECK(mentions(f.log,
                 "the stored payload of point 100 is not the text of a JSON object (expected a value at byte 6); "
                 "it is served as null, write it anew"));
  CHECK(mentions(f.log, "point 109"));
  CHECK_FALSE(mentions(f.log, "point 110"));
}

}  // namespace nestor::tests
