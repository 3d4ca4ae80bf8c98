#include "index/packed_links.h"

#include <random>
#include <vector>

#include "index/error.h"
#include "index/types.h"
#include "tests/support/catch.h"

using namespace nestor::index;

namespace {

std::vector<std::uint32_t> read(const PackedLinks& links, std::uint32_t row, std::uint32_t degree) {
  std::vector<std::uint32_t> out(degree);
  links.send(row);
  out.resize(links.read(row, out.data()));
  return out;
}

}  // namespace

TEST_CASE("packed links are the links that were packed") {
  constexpr std::uint32_t kDegree = 12;
  // Empty rows at both ends and in between, full ones, and the places where a block of work ends.
  for (const std::size_t rows : {std::size_t{1}, std::size_t{40}, std::size_t{1} << 16, (std::size_t{1} << 16) + 1,
                                 (std::size_t{1} << 17) + 77}) {
    std::mt19937 random(7);
    std::vector<std::vector<std::uint32_t>> expected(rows);
    std::vector<std::uint32_t> wide(rows * kDegree, kNoSlot);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t count = row == 0 || row + 1 == rows ? 0 : random() % (kDegree + 1);
      for (std::size_t i = 0; i < count; ++i) {
        expected[row].push_back(static_cast<std::uint32_t>(random() % rows));
        wide[row * kDegree + i] = expected[row].back();
      }
    }
    const PackedLinks packed(wide, rows, kDegree);
    std::size_t different = 0;
    for (std::uint32_t row = 0; row < rows; ++row) different += read(packed, row, kDegree) != expected[row];
    INFO(rows << " rows");
    CHECK(different == 0);
    CHECK(packed.bytes() == 3 * kDegree * rows + 1);
  }
}

TEST_CASE("from 2^24 rows on a link takes four bytes: the last row has the number that stands for none in three") {
  const std::size_t rows = std::size_t{1} << 24;
  std::vector<std::uint32_t> next(rows);
  for (std::size_t row = 0; row < rows; ++row) next[row] = static_cast<std::uint32_t>((row + 1) % rows);
  const PackedLinks packed(next, rows, 1);
  std::size_t different = 0;
  for (std::uint32_t row = 0; row < rows; row += row + 70'000 < rows ? 65'535 : 1)
    different += read(packed, row, 1) != std::vector{next[row]};
  CHECK(different == 0);
}

TEST_CASE("a link to a row that does not exist is refused") {
  CHECK_NOTHROW(PackedLinks(std::vector<std::uint32_t>{1, kNoSlot, 0, 1}, 2, 2));
  CHECK_THROWS_AS(PackedLinks(std::vector<std::uint32_t>{1, kNoSlot, 2, 1}, 2, 2), Error);
}
