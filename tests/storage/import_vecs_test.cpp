// .fvecs, .bvecs and .ivecs files: rows that carry their own length.
#include "storage/import/value_source.h"
#include "storage/import/vector_source.h"
#include "tests/storage/import_files.h"
#include "tests/support/catch.h"

using namespace nestor;
using namespace nestor::tests;
using Catch::Matchers::Contains;

namespace {

template <class Number>
std::string vecs(const std::vector<std::vector<Number>>& rows) {
  std::string bytes;
  for (const auto& row : rows) bytes += little_endian(row.size(), 4) + bytes_of(row);
  return bytes;
}

std::string refuse(const std::string& path) {
  return refusal([&] { storage::open_vector_source(path); });
}

}  // namespace

TEST_CASE("fvecs and bvecs rows come back without their lengths") {
  const ImportDirectory directory;
  std::vector<float> rows;
  const auto floats =
      storage::open_vector_source(directory.write("a.fvecs", vecs<float>({{1, 2}, {3, 4}, {5, -6.5f}})));
  CHECK(floats->rows() == 3);
  CHECK(floats->dim() == 2);
  CHECK(floats->read_rows(2, rows) == 2);
  CHECK(rows == std::vector<float>{1, 2, 3, 4});
  CHECK(floats->read_rows(2, rows) == 1);
  CHECK(rows == std::vector<float>{5, -6.5f});
  floats->seek(1);
  CHECK(floats->read_rows(1, rows) == 1);
  CHECK(rows == std::vector<float>{3, 4});

  const auto bytes =
      storage::open_vector_source(directory.write("a.bvecs", vecs<std::uint8_t>({{0, 128, 255}, {7, 8, 9}})));
  CHECK(bytes->kind() == storage::ScalarKind::uint8);
  CHECK(bytes->read_rows(9, rows) == 2);
  CHECK(rows == std::vector<float>{0, 128, 255, 7, 8, 9});
}

TEST_CASE("ivecs rows are neighbours of queries") {
  const ImportDirectory directory;
  const auto path = directory.write("gt.ivecs", vecs<std::int32_t>({{10, 11, 12}, {20, 21, 22}}));
  const auto source = storage::open_value_source(path);
  std::vector<std::int64_t> row;
  source->seek(1);
  CHECK(source->rows() == 2);
  CHECK(source->columns() == 3);
  CHECK(source->read_rows(1, row) == 1);
  CHECK(row == std::vector<std::int64_t>{20, 21, 22});
  CHECK_THAT(refuse(path), Contains("int32") && Contains("expected float32"));
}

TEST_CASE("a vecs file that does not consist of whole rows is refused") {
  const ImportDirectory directory;
  const std::string good = vecs<float>({{1, 2}, {3, 4}});
  CHECK_THAT(refuse(directory.write("a.fvecs", good.substr(0, 23))),
             Contains("a.fvecs: truncated") && Contains("12 bytes each"));
  CHECK_THAT(refuse(directory.write("a.fvecs", good + "xx")), Contains("2 bytes are left"));
  CHECK_THAT(refuse(directory.write("a.fvecs", "")), Contains("too few"));
  CHECK_THAT(refuse(directory.write("a.fvecs", little_endian(0, 4))), Contains("says it has 0 coordinates"));
  CHECK_THAT(refuse(directory.write("a.fvecs", little_endian(0xFFFFFFFF, 4))), Contains("says it has -1 coordinates"));
  CHECK_THAT(refuse(directory.write("a.fvecs", little_endian(0x7FFFFFFF, 4))), Contains("expected 1 to 65536"));
}

TEST_CASE("a row of another length is refused when it is reached") {
  const ImportDirectory directory;
  // Rows of 2, 5 and 2 coordinates: 12 + 24 + 12 bytes, which could be four rows of 2.
  const auto source =
      storage::open_vector_source(directory.write("a.fvecs", vecs<float>({{1, 2}, {1, 2, 3, 4, 5}, {1, 2}})));
  std::vector<float> rows;
  CHECK(source->read_rows(1, rows) == 1);
  CHECK_THAT(refusal([&] { source->read_rows(9, rows); }), Contains("row 1 says it has 5 coordinates; expected 2"));
}
