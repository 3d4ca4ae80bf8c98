#include "storage/tuned_policy_codec.h"

#include "index/error.h"
#include "tests/storage/expect_error.h"
#include "tests/support/catch.h"

using namespace nestor::storage;
using nestor::index::ErrorCode;
using nestor::index::TunedPolicy;

namespace {

TunedPolicy sample() { return {{512, 0.17f, 23, 20, {}}, 10, 0.9912, 1000}; }

}  // namespace

TEST_CASE("a tuned policy comes back with every field") {
  CHECK(decode_tuned_policy(encode_tuned_policy(sample())) == sample());
}

TEST_CASE("no byte of a tuned policy changes or goes missing unnoticed") {
  const std::string bytes = encode_tuned_policy(sample());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    INFO("byte " << i);
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    CHECK_THROWS_AS(decode_tuned_policy(damaged), nestor::index::Error);
    CHECK_THROWS_AS(decode_tuned_policy(bytes.substr(0, i)), nestor::index::Error);
  }
  CHECK_THROWS_AS(decode_tuned_policy(bytes + "x"), nestor::index::Error);
  std::string newer = bytes;
  newer[0] = 2;
  nestor::tests::error_of(ErrorCode::failed_precondition, [&] { decode_tuned_policy(newer); });
}
