// .npy files: what NumPy writes is read exactly, everything else is refused with a reason.
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

#include "storage/import/npy_reader.h"
#include "storage/import/value_source.h"
#include "storage/import/vector_source.h"
#include "tests/storage/import_files.h"
#include "tests/support/catch.h"

using namespace nestor;
using namespace nestor::tests;
using Catch::Matchers::Contains;

namespace {

std::string refuse_vectors(const std::string& path) {
  return refusal([&] { storage::open_vector_source(path); });
}

std::string refuse_values(const std::string& path) {
  return refusal([&] { storage::open_value_source(path); });
}

std::vector<float> read_all(storage::VectorSource& source, std::size_t batch) {
  std::vector<float> all, rows;
  while (source.read_rows(batch, rows) > 0) all.insert(all.end(), rows.begin(), rows.end());
  return all;
}

std::vector<float> counting(std::size_t count) {
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(i) * 0.5f - 3;
  return numbers;
}

}  // namespace

TEST_CASE("float32 rows come back exactly, in batches of any size and in every header version") {
  const ImportDirectory directory;
  const std::vector<float> numbers = counting(7 * 3);
  const int major = GENERATE(1, 2, 3);
  const std::size_t batch = GENERATE(1, 2, 7, 100);
  const auto path = directory.write("a.npy", npy(dict("<f4", "(7, 3)"), bytes_of(numbers), major));
  const auto source = storage::open_vector_source(path);
  CHECK(source->rows() == 7);
  CHECK(source->dim() == 3);
  CHECK(source->kind() == storage::ScalarKind::float32);
  CHECK(read_all(*source, batch) == numbers);
}

TEST_CASE("reading can start at any row and stops at the end") {
  const ImportDirectory directory;
  const std::vector<float> numbers = counting(10 * 4);
  const auto source =
      storage::open_vector_source(directory.write("a.npy", npy(dict("<f4", "(10, 4)"), bytes_of(numbers))));
  source->seek(8);
  std::vector<float> rows;
  CHECK(source->read_rows(5, rows) == 2);
  CHECK(rows == std::vector<float>(numbers.begin() + 32, numbers.end()));
  CHECK(source->read_rows(5, rows) == 0);
  source->seek(10);
  CHECK(source->read_rows(1, rows) == 0);
  CHECK_THAT(refusal([&] { source->seek(11); }), Contains("has 10 rows"));
}

TEST_CASE("every float16 number becomes the float32 it stands for") {
  CHECK(storage::float_from_half(0x0000) == 0.0f);
  CHECK(std::signbit(storage::float_from_half(0x8000)));
  CHECK(storage::float_from_half(0x3C00) == 1.0f);
  CHECK(storage::float_from_half(0xC000) == -2.0f);
  CHECK(storage::float_from_half(0x7BFF) == 65504.0f);
  CHECK(storage::float_from_half(0x0001) == std::ldexp(1.0f, -24));  // smallest subnormal
  CHECK(storage::float_from_half(0x03FF) == std::ldexp(1023.0f, -24));
  CHECK(storage::float_from_half(0x7C00) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(storage::float_from_half(0x7E01)));
  for (std::uint32_t bits = 0; bits < 0x7C00; ++bits) {  // against the definition
    const int exponent = static_cast<int>(bits >> 10);
    const auto fraction = static_cast<float>(bits & 0x3FF);
    const float expected = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    if (storage::float_from_half(static_cast<std::uint16_t>(bits)) != expected) FAIL("float16 bits " << bits);
  }
}

TEST_CASE("uint8 and float16 rows are widened") {
  const ImportDirectory directory;
  const auto bytes = storage::open_vector_source(
      directory.write("b.npy", npy(dict("|u1", "(2, 2)"), bytes_of<std::uint8_t>({0, 1, 128, 255}))));
  CHECK(read_all(*bytes, 10) == std::vector<float>{0, 1, 128, 255});
  const auto halves = storage::open_vector_source(
      directory.write("h.npy", npy(dict("<f2", "(1, 3)"), bytes_of<std::uint16_t>({0x3C00, 0xB800, 0x7C00}))));
  CHECK(read_all(*halves, 10) == std::vector<float>{1, -0.5, std::numeric_limits<float>::infinity()});
  CHECK(halves->kind() == storage::ScalarKind::float16);
}

TEST_CASE("values of every integer kind, as a list or as one column") {
  const ImportDirectory directory;
  const auto check = [&](const std::string& descr, const std::string& data, std::vector<std::int64_t> expected) {
    for (const std::string shape : {"(3,)", "(3, 1)"}) {
      const auto source = storage::open_value_source(directory.write("v.npy", npy(dict(descr, shape), data)));
      std::vector<std::int64_t> values;
      CHECK(source->rows() == 3);
      CHECK(source->columns() == 1);
      CHECK(source->read_rows(10, values) == 3);
      CHECK(values == expected);
    }
  };
  check("|i1", bytes_of<std::int8_t>({-1, 0, 127}), {-1, 0, 127});
  check("|u1", bytes_of<std::uint8_t>({1, 0, 255}), {1, 0, 255});
  check("<i2", bytes_of<std::int16_t>({-1, 0, 32767}), {-1, 0, 32767});
  check("<u2", bytes_of<std::uint16_t>({1, 0, 65535}), {1, 0, 65535});
  check("<i4", bytes_of<std::int32_t>({-7, 0, 2147483647}), {-7, 0, 2147483647});
  check("<u4", bytes_of<std::uint32_t>({1, 0, 4294967295u}), {1, 0, 4294967295});
  check("<i8", bytes_of<std::int64_t>({-7, 0, 1ll << 62}), {-7, 0, 1ll << 62});
  check("<u8", bytes_of<std::uint64_t>({1, 0, 1ull << 62}), {1, 0, 1ll << 62});
}

TEST_CASE("a matrix of integers is read row by row") {
  const ImportDirectory directory;
  const auto source = storage::open_value_source(
      directory.write("gt.npy", npy(dict("<i4", "(2, 3)"), bytes_of<std::int32_t>({1, 2, 3, 4, 5, 6}))));
  std::vector<std::int64_t> row;
  CHECK(source->columns() == 3);
  source->seek(1);
  CHECK(source->read_rows(1, row) == 1);
  CHECK(row == std::vector<std::int64_t>{4, 5, 6});
}

TEST_CASE("a file that is cut short or goes on after the array is refused") {
  const ImportDirectory directory;
  const std::string whole = npy(dict("<f4", "(7, 3)"), bytes_of(counting(21)));
  CHECK_THAT(refuse_vectors(directory.write("a.npy", whole.substr(0, whole.size() - 1))),
             Contains("a.npy: truncated") && Contains("[7 x 3] float32 = 84 bytes") && Contains("holds 83"));
  CHECK_THAT(refuse_vectors(directory.write("a.npy", whole + "x")), Contains("after the end") && Contains("holds 85"));
  for (std::size_t length = 0; length < whole.size(); ++length) {  // no prefix of a good file is good
    if (refuse_vectors(directory.write("a.npy", whole.substr(0, length))).empty())
      FAIL("accepted " << length << " bytes");
  }
}

TEST_CASE("a file that shrinks while it is read ends in an error") {
  const ImportDirectory directory;
  const auto path = directory.write("a.npy", npy(dict("<f4", "(7, 3)"), bytes_of(counting(21))));
  const auto source = storage::open_vector_source(path);
  std::filesystem::resize_file(path, 140);
  std::vector<float> rows;
  CHECK_THAT(refusal([&] { source->read_rows(7, rows); }, index::ErrorCode::data_loss), Contains("became shorter"));
}

TEST_CASE("what is not a .npy file is refused") {
  const ImportDirectory directory;
  CHECK_THAT(refuse_vectors(directory.write("a.npy", std::string(4096, '\0'))),
             Contains("a.npy: does not start with the .npy magic"));
  CHECK_THAT(refuse_vectors(directory.write("a.npy", "")), Contains("magic"));
  CHECK_THAT(refuse_vectors(directory.write("a.bin", "hello")), Contains("a.bin: unknown format; expected .npy"));
  CHECK_THAT(refuse_vectors(directory.write("a.npy", npy(dict("<f4", "(1, 1)"), "abcd", 4))), Contains("version 4.0"));
  CHECK_THAT(refuse_vectors(directory.path("")), Contains("is not a regular file"));
  CHECK_THAT(refusal([&] { storage::open_vector_source(directory.path("none.npy")); }, index::ErrorCode::not_found),
             Contains("none.npy"));
}

TEST_CASE("arrays of another order, byte order or type are refused by name") {
  const ImportDirectory directory;
  const auto refuse = [&](const std::string& header, const std::string& data) {
    return refuse_vectors(directory.write("a.npy", npy(header, data)));
  };
  const std::string data = bytes_of(counting(4));
  CHECK_THAT(refuse(dict("<f4", "(2, 2)", "True"), data), Contains("Fortran"));
  CHECK_THAT(refuse(dict(">f4", "(2, 2)"), data), Contains("big-endian") && Contains("astype('<f4')"));
  CHECK_THAT(refuse(dict("|O", "(2, 2)"), data), Contains("Python objects"));
  CHECK_THAT(refuse(dict("<c8", "(2, 1)"), data), Contains("'<c8'"));
  CHECK_THAT(refuse(dict("<f8", "(2, 1)"), data), Contains("[2 x 1] float64") && Contains("expected float32"));
  CHECK_THAT(refuse(dict("<i4", "(2, 2)"), data), Contains("int32"));
  CHECK_THAT(refuse(dict("|f4", "(2, 2)"), data), Contains("'|f4'"));
  CHECK_THAT(refuse(dict("<f4", "(4,)"), data), Contains("[4] float32") && Contains("expected vectors"));
  CHECK_THAT(refuse(dict("<f4", "(1, 2, 2)"), data), Contains("3 dimensions"));
  CHECK_THAT(refuse(dict("<f4", "()"), "abcd"), Contains("0 dimensions"));
  CHECK_THAT(refuse(dict("<f4", "(0, 4)"), ""), Contains("no rows"));
  CHECK_THAT(refuse(dict("<f4", "(4, 0)"), ""), Contains("0 coordinates"));
  CHECK_THAT(refuse(dict("|u1", "(1, 65537)"), std::string(65537, 'x')), Contains("65537 coordinates"));
  CHECK_THAT(refuse("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", data),
             Contains("structured"));
  CHECK_THAT(refuse_values(directory.write("v.npy", npy(dict("<f4", "(4,)"), data))), Contains("expected integers"));
  CHECK(refuse(dict("<f4", "(1, 4)", "True"), data).empty());  // one row lies the same way in both orders
}

TEST_CASE("sizes that overflow are refused, not multiplied") {
  const ImportDirectory directory;
  const auto refuse = [&](const std::string& shape) {
    return refuse_vectors(directory.write("a.npy", npy(dict("<f4", shape), "abcd")));
  };
  CHECK_THAT(refuse("(4611686018427387905, 1)"), Contains("overflows"));  // 2^62 + 1 floats = 4 bytes modulo 2^64
  CHECK_THAT(refuse("(18446744073709551615, 18446744073709551615)"), Contains("overflows"));
  CHECK_THAT(refuse("(18446744073709551616, 1)"), Contains("does not fit 64 bits"));
  CHECK_THAT(refuse("(1000000000000, 256)"), Contains("truncated"));
  CHECK_THAT(refuse("(-1, 4)"), Contains("whole number"));
}

TEST_CASE("absurd header lengths are refused before anything is read") {
  const ImportDirectory directory;
  const std::string magic = std::string("\x93NUMPY\x02", 7) + '\0';
  CHECK_THAT(refuse_vectors(directory.write("a.npy", magic + little_endian(0xFFFFFFFF, 4) + "{}")),
             Contains("4294967295 bytes"));
  CHECK_THAT(refuse_vectors(directory.write("a.npy", magic + little_endian(60000, 4) + "{}")),
             Contains("does not fit"));
  CHECK_THAT(refuse_vectors(directory.write("a.npy", magic + little_endian(0, 4))), Contains("expected '{'"));
}

TEST_CASE("the header's grammar is NumPy's and nothing more") {
  const auto parse = [](const std::string& text) { return refusal([&] { storage::parse_npy_header(text); }); };
  CHECK(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n").empty());
  CHECK(parse("{\"shape\":(3,),\"descr\":\"<f4\",\"fortran_order\":True}").empty());
  CHECK(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3L, 4L), }").empty());  // written by Python 2
  const storage::NpyHeader header =
      storage::parse_npy_header("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 4)}");
  CHECK(header.descr == "<f4");
  CHECK(header.fortran_order);
  CHECK(header.shape == std::vector<std::uint64_t>{3, 4});

  CHECK_THAT(parse("{'descr': '<f4', 'fortran_order': False, }"), Contains("'shape' is missing"));
  CHECK_THAT(parse("{'shape': (3,), 'fortran_order': False, }"), Contains("'descr' is missing"));
  CHECK_THAT(parse("{'descr': '<f4', 'descr': '<f4', }"), Contains("given twice"));
  CHECK_THAT(parse("{'descr': '<f4', 'color': 'red', }"), Contains("unknown key"));
  CHECK_THAT(parse("{'descr': '<f4"), Contains("does not end"));
  CHECK_THAT(parse("{'descr': '<f4', 'fortran_order': 0"), Contains("True or False"));
  CHECK_THAT(parse("{'shape': (3)"), Contains("expected ','"));
  CHECK_THAT(parse("{'shape': (3,,4)"), Contains("whole number"));
  CHECK_THAT(parse("{'shape': (3 4)"), Contains("expected"));
  CHECK_THAT(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} + evil"),
             Contains("after the closing brace"));
  CHECK_THAT(parse("{'descr': '<f\n4'}"), Contains("plain ASCII"));
  CHECK_THAT(parse(""), Contains("expected '{'"));
  std::string deep = "{'shape': (";
  for (int i = 0; i < 40; ++i) deep += "1, ";
  CHECK_THAT(parse(deep + ")}"), Contains("32 dimensions"));
}

TEST_CASE("a damaged file gives rows or an Error, never anything else") {
  const ImportDirectory directory;
  const std::string good = npy(dict("<f4", "(7, 3)"), bytes_of(counting(21)));
  const char* chosen = std::getenv("NESTOR_TEST_SEED");
  const auto seed = chosen ? static_cast<unsigned>(std::strtoul(chosen, nullptr, 10)) : 20240607u;
  INFO("NESTOR_TEST_SEED=" << seed);
  std::mt19937 random(seed);
  const std::string alphabet = std::string("{}()[]',:<>|0123456789TFfiuOL \n\\\xff", 34) + '\0';
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      const std::size_t at = random() % 140;
      const char replacement = random() % 2 ? alphabet[random() % alphabet.size()] : static_cast<char>(random());
      switch (random() % 3) {
        case 0:
          bytes[at] = replacement;
          break;
        case 1:
          bytes.erase(at, 1 + random() % 8);
          break;
        default:
          bytes.insert(at, 1, replacement);
      }
    }
    const auto path = directory.write("fuzz.npy", bytes);
    try {
      const auto source = storage::open_vector_source(path);
      const std::uint64_t expected = source->rows() * source->dim();
      REQUIRE(read_all(*source, 3).size() == expected);
    } catch (const index::Error& error) {
      REQUIRE(error.code() == index::ErrorCode::invalid_argument);
    }
  }
}
