#include "server/float_reader.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace nestor::server::testing {
namespace {

// The slow, obvious twin: the library's reader for text that is JSON's grammar, out of range by way of long double.
float library_reads(const std::string& text) {
  float value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc()) return value;
  return static_cast<float>(std::strtold(text.c_str(), nullptr));
}

// Reads from a buffer that ends with the number, so that a byte too far is seen by the address sanitizer.
bool same(const std::string& text) {
  const std::vector<char> exact(text.begin(), text.end());
  float value = 0;
  const char* const end = read_float(exact.data(), exact.data() + exact.size(), value);
  return end == exact.data() + exact.size() &&
         std::bit_cast<std::uint32_t>(value) == std::bit_cast<std::uint32_t>(library_reads(text));
}

template <typename Number>
std::string written(Number value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string fixed(double value, int precision) {
  char text[512];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, precision).ptr};
}

// Where JSON's grammar says that a number ends, written the long way; npos: there is none.
std::size_t grammar_end(const std::string& text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t first = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - first;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const std::size_t whole = at;
  const std::size_t count = digits();
  if (count == 0 || (count > 1 && text[whole] == '0')) return std::string::npos;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return std::string::npos;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return std::string::npos;
  }
  return at;
}

}  // namespace

TEST_CASE("numbers as clients print them read bit for bit as the library reads them") {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal(0, 0.05);
  for (int i = 0; i < 60'000; ++i) {
    const double value = normal(random);
    const auto single = static_cast<float>(value);
    CAPTURE(value);
    REQUIRE(same(written(single)));
    REQUIRE(same(written(static_cast<double>(single))));  // what JavaScript makes of a float32
    REQUIRE(same(written(value)));
    REQUIRE(same(fixed(value, static_cast<int>(random() % 24))));
  }
}

TEST_CASE("any float32, and what lies between two of them, reads bit for bit") {
  std::mt19937_64 random(12);
  for (int i = 0; i < 60'000; ++i) {
    const auto single = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(single)) continue;
    const double next = std::nextafter(single, 1e38f);
    // The middle between two neighbours is a double; its own neighbours are the hardest cases.
    const double middle = static_cast<double>(single) / 2 + next / 2;
    CAPTURE(single);
    REQUIRE(same(written(single)));
    for (const double hard : {middle, std::nextafter(middle, -1e300), std::nextafter(middle, 1e300)}) {
      REQUIRE(same(written(hard)));
      if (std::abs(hard) > 1e-12 && std::abs(hard) < 1e12) {
        REQUIRE(same(fixed(hard, 18)));
        REQUIRE(same(fixed(hard, 40)));
      }
    }
  }
}

TEST_CASE("the ends of the range, zeros and long numbers read as the library reads them") {
  for (const char* text : {"0",
                           "-0",
                           "0.0",
                           "-0.0",
                           "1",
                           "-1",
                           "10",
                           "340282346638528859811704183484516925440",
                           "340282366920938463463374607431768211455",
                           "340282356779733661637539395458142568447",
                           "340282356779733661637539395458142568448",
                           "1e38",
                           "3.5e38",
                           "1e39",
                           "-1e39",
                           "1e300",
                           "-1e300",
                           "1e999",
                           "-1e999",
                           "1e-999",
                           "-1e-999",
                           "0e999",
                           "0.0e-999",
                           "1e-45",
                           "7e-46",
                           "7.1e-46",
                           "1.17549435e-38",
                           "1.1754943e-38",
                           "0."
                           "0000000000000000000000000000000000000117549435082228750796873653722224567781866555677208752"
                           "1508751706278417259454727172851560500",
                           "0."
                           "0000000000000000000000000000000000000000000007006492321624085354618647916449580656401309709"
                           "38257885878534141944895541342930300743319094181060791015625",
                           "123456789012345678901234567890",
                           "12345678901234567890",
                           "18446744073709551615",
                           "18446744073709551616",
                           "9999999999999999999",
                           "0.1234567890123456789012345",
                           "0.00000000000000000000001234567890123456789",
                           "16777217",
                           "16777217.0000000000000001",
                           "1.00000005960464477539062500000000000000000001",
                           "1.000000059604644775390625",
                           "5E-1",
                           "5e+0",
                           "0.5e00000000000000000000001"}) {
    CAPTURE(text);
    CHECK(same(text));
  }
}

TEST_CASE("what is no number in JSON is refused, and a number ends where the grammar says") {
  for (const char* text : {"",    "-",  "+1",       ".5",  "1.",  "1.e3", "01",   "-01",   "00", "1e",
                           "1e+", "e5", "Infinity", "NaN", "nan", "-inf", "0x10", "\"1\"", " 1", "--1"}) {
    CAPTURE(text);
    float value = 0;
    const std::string copy = text;
    const char* const end = read_float(copy.data(), copy.data() + copy.size(), value);
    const std::size_t expected = grammar_end(copy);
    if (expected == std::string::npos)
      CHECK(end == nullptr);
    else
      CHECK(end == copy.data() + expected);
  }
  const std::string alphabet = "0123456789000111..--++eE ,]x\xff";
  std::mt19937 random(13);
  for (int i = 0; i < 200'000; ++i) {
    std::string text(random() % 24, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    CAPTURE(text);
    float value = 0;
    const std::vector<char> exact(text.begin(), text.end());
    const char* const end = read_float(exact.data(), exact.data() + exact.size(), value);
    const std::size_t expected = grammar_end(text);
    REQUIRE((end == nullptr) == (expected == std::string::npos));
    if (!end) continue;
    REQUIRE(end == exact.data() + expected);
    REQUIRE(std::bit_cast<std::uint32_t>(value) ==
            std::bit_cast<std::uint32_t>(library_reads(text.substr(0, expected))));
  }
}

}  // namespace nestor::server::testing
