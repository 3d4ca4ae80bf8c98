#include "server/base64.h"

#include <random>
#include <string>

#include "tests/support/catch.h"

namespace nestor::server {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string encoded(const std::string& bytes) {
  std::string out;
  append_base64(out, bytes);
  return out;
}

std::string random_bytes(std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(count) + 1);
  std::string out(count, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

}  // namespace

TEST_CASE("base64 of RFC 4648 reads as it says") {
  for (const auto& [text, bytes] : {std::pair{"", ""},
                                    {"Zg==", "f"},
                                    {"Zm8=", "fo"},
                                    {"Zm9v", "foo"},
                                    {"Zm9vYg==", "foob"},
                                    {"Zm9vYmE=", "fooba"},
                                    {"Zm9vYmFy", "foobar"}}) {
    CHECK(decode_base64(text) == std::string(bytes));
    CHECK(encoded(bytes) == text);
  }
}

TEST_CASE("base64 gives back bytes of any number") {
  for (std::size_t count = 0; count < 300; ++count) {
    const std::string bytes = random_bytes(count);
    REQUIRE(decode_base64(encoded(bytes)) == bytes);
  }
}

TEST_CASE("a character that is no digit is found wherever it stands, in short and long texts") {
  for (const std::size_t groups : {1, 9, 40})
    for (int c = 0; c < 256; ++c) {
      const bool digit = kAlphabet.find(static_cast<char>(c)) != std::string_view::npos;
      for (std::size_t at = 0; at < 4 * groups; ++at) {
        std::string text(4 * groups, 'A');
        text[at] = static_cast<char>(c);
        // Padding is right at the end: its bits are all zero here.
        const bool fits = digit || (c == '=' && at + 1 == text.size());
        if (decode_base64(text).has_value() != fits || is_base64(text) != fits) FAIL("character " << c << " at " << at);
      }
    }
  SUCCEED("all 256 characters at all places");
}

}  // namespace nestor::server
