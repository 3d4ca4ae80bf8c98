#include "storage/certificate_codec.h"

#include "tests/storage/expect_error.h"
#include "tests/support/catch.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

std::vector<Certificate> sample() {
  Certificate c;
  c.id = 3;
  c.created = 1700000000;
  c.state = {12, 0x1122334455667788ull, 18000, 17990};
  c.widths = {32, 64, 256};
  c.k = 10;
  c.metric = Metric::cosine;
  c.filter = "{\"must\":[]}";
  c.encoder = "e5-small";
  c.source = QuerySource::rows;
  c.loss = LossKind::tail_recall;
  c.loss_parameter = 0.8;
  c.level = {0.05, 0.1};
  c.promise = Promise::expected;
  c.test = RiskTest::clopper_pearson;
  c.queries = 1200;
  c.seed = 42;
  c.path.resize(2);
  c.path[0] = {{800, 0, 60, 50, {}}, true, 0.001, 1e-9, 1400, 360000, 250};
  c.path[1].policy = {400, 0.14f, 25, 20, DeferralRule{{1, 2, 3, 4, 5, 6}, -0.5f, 0.25f, 0.3f}};
  c.chosen = 1;
  c.withdrawn = "alarm";
  Certificate plain = c;
  plain.id = 4;
  plain.path.resize(1);
  plain.chosen = 0;
  plain.withdrawn.clear();
  return {c, plain};
}

}  // namespace

TEST_CASE("certificates come back with every field") {
  const auto list = sample();
  const auto back = decode_certificates(encode_certificates(list));
  REQUIRE(back.size() == 2);
  const Certificate &a = list[0], &b = back[0];
  CHECK(b.id == a.id);
  CHECK(b.created == a.created);
  CHECK(b.state == a.state);
  CHECK(b.widths == a.widths);
  CHECK(b.k == a.k);
  CHECK(b.metric == a.metric);
  CHECK(b.filter == a.filter);
  CHECK(b.encoder == a.encoder);
  CHECK(b.source == a.source);
  CHECK(b.loss == a.loss);
  CHECK(b.loss_parameter == a.loss_parameter);
  CHECK(b.level.epsilon == a.level.epsilon);
  CHECK(b.level.delta == a.level.delta);
  CHECK(b.promise == a.promise);
  CHECK(b.test == a.test);
  CHECK(b.queries == a.queries);
  CHECK(b.seed == a.seed);
  CHECK(b.chosen == a.chosen);
  CHECK(b.withdrawn == a.withdrawn);
  REQUIRE(b.path.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(b.path[i].policy == a.path[i].policy);
    CHECK(b.path[i].tested == a.path[i].tested);
    CHECK(b.path[i].risk == a.path[i].risk);
    CHECK(b.path[i].p_value == a.path[i].p_value);
    CHECK(b.path[i].evaluations == a.path[i].evaluations);
    CHECK(b.path[i].coordinates == a.path[i].coordinates);
    CHECK(b.path[i].microseconds == a.path[i].microseconds);
  }
  CHECK(encode_certificates(back) == encode_certificates(list));
  CHECK(decode_certificates(encode_certificates({})).empty());
}

TEST_CASE("no byte of the certificates changes or goes missing unnoticed") {
  const std::string bytes = encode_certificates(sample());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x20);
    CHECK_THROWS_AS(decode_certificates(damaged), Error);
    CHECK_THROWS_AS(decode_certificates(bytes.substr(0, i)), Error);
  }
  std::string newer = bytes;
  newer[0] = 2;
  error_of(ErrorCode::failed_precondition, [&] { decode_certificates(newer); });
}
