#include "storage/record_codec.h"

#include <algorithm>
#include <limits>
#include <random>

#include "storage/byte_order.h"
#include "storage/vector_codec.h"
#include "tests/storage/expect_error.h"
#include "tests/storage/store_rows.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {"0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  }
  return out;
}

CollectionRecord unusual_record() {
  CollectionRecord record;
  record.options.dim = 300;
  record.options.metric = Metric::dot;
  record.options.scalar_type = ScalarType::float16;
  record.options.widths = {10, 100, 300};
  record.options.graphs = {10, 300};
  record.options.rotation = Rotation::pca;
  record.options.graph = {24, 333, 0x1234567890ABCDEFull};
  record.options.exact_below = 77;
  record.options.walk_codes = WalkCodes::leading_bits;
  record.options = record.options.validated();
  record.attributes = "{\"distance\":\"Dot\"}";
  return record;
}

}  // namespace

TEST_CASE("id keys come back and sort as the ids do") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  std::mt19937_64 random(test_seed());
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  std::vector<PointId> ids{number(0),  number(1),     number(255), number(256),     number(kMax),
                           uuid(0, 0), uuid(0, kMax), uuid(1, 0),  uuid(kMax, kMax)};
  for (int i = 0; i < 500; ++i) {
    ids.push_back(number(random() >> (random() % 64)));
    ids.push_back(uuid(random() >> (random() % 64), random()));
  }
  for (const PointId& id : ids) CHECK(decode_id_key(encode_id_key(id).view()) == id);
  for (std::size_t i = 1; i < ids.size(); ++i)
    CHECK((encode_id_key(ids[i - 1]).view() < encode_id_key(ids[i]).view()) == (ids[i - 1] < ids[i]));
}

TEST_CASE("slot and band keys come back and sort by band, then slot") {
  const std::vector<Slot> slots{0, 1, 255, 256, 65535, 65536, kNoSlot - 1, kNoSlot};
  for (std::size_t i = 0; i < slots.size(); ++i) {
    CHECK(decode_slot_key(encode_slot_key(slots[i]).view()) == slots[i]);
    CHECK(decode_band_key(encode_band_key(3, slots[i]).view()) == slots[i]);
    CHECK(decode_slot_value(encode_slot_value(slots[i]).view()) == slots[i]);
    if (i == 0) continue;
    CHECK(encode_slot_key(slots[i - 1]).view() < encode_slot_key(slots[i]).view());
    CHECK(encode_band_key(0, slots[i - 1]).view() < encode_band_key(0, slots[i]).view());
    CHECK(encode_band_key(0, slots[i]).view() < encode_band_key(1, slots[i - 1]).view());
    CHECK(encode_band_key(127, slots[i]).view() < encode_band_key(128, slots[i - 1]).view());
  }
}

TEST_CASE("row headers come back with integer and UUID ids, with and without a value") {
  for (const PointId& id : {number(7), number(~0ull), uuid(1, 2), uuid(0, 0)})
    for (const std::optional<std::uint32_t> value : {std::optional<std::uint32_t>{}, {0}, {0xFFFFFFFF}}) {
      const RowHeader header{9, id, 1ull << 40, value};
      const RowHeader back = decode_row_header(9, encode_row_header(header).view());
      CHECK(back.slot == 9);
      CHECK(back.id == id);
      CHECK(back.version == 1ull << 40);
      CHECK(back.value == value);
    }
}

TEST_CASE("the state record comes back") {
  const StoreState back = decode_state(encode_state({1ull << 50, kNoSlot, 4000000000ull}).view());
  CHECK(back.sequence == 1ull << 50);
  CHECK(back.next_slot == kNoSlot);
  CHECK(back.points == 4000000000ull);
}

TEST_CASE("the collection record comes back with every option") {
  const CollectionRecord record = unusual_record();
  const CollectionRecord back = decode_collection(encode_collection(record));
  CHECK(back.options == record.options);
  CHECK(back.attributes == record.attributes);
}

// These bytes are on users' disks: a change here needs a new format version and code that reads this one.
TEST_CASE("format version 1 is written as it always was") {
  CHECK(hex(encode_id_key(number(0x0102030405060708)).view()) == "000102030405060708");
  CHECK(hex(encode_id_key(PointId::uuid("00112233-4455-6677-8899-aabbccddeeff")).view()) ==
        "0100112233445566778899aabbccddeeff");
  CHECK(hex(encode_band_key(2, 0x01020304).view()) == "0201020304");
  CHECK(hex(encode_slot_value(0x01020304).view()) == "04030201");
  CHECK(hex(encode_row_header({0, number(5), 6, 7}).view()) == "01020600000000000000000000000000000507000000");
  CHECK(hex(encode_state({1, 2, 3}).view()) == "010000000100000000000000020000000300000000000000");
  CHECK(hex(encode_collection({small_options(), "{}"})) ==
        "010000000c0000000000000010000000c80000002a000000000000008813000003000000040000000800000"
        "00c000000010000000c000000020000007b7d66fe305567441b74");
}

TEST_CASE("records that are cut short, too long or flipped are data loss, never undefined") {
  const RowHeaderBytes row = encode_row_header({0, uuid(1, 2), 3, 4});
  for (std::size_t size = 0; size < row.size; ++size)
    error_of(ErrorCode::data_loss, [&] { decode_row_header(0, row.view().substr(0, size)); });
  error_of(ErrorCode::data_loss, [&] { decode_row_header(0, std::string(row.view()) + "x"); });
  error_of(ErrorCode::data_loss, [&] { decode_id_key("\x02"); });
  error_of(ErrorCode::data_loss, [&] { decode_id_key(""); });
  error_of(ErrorCode::data_loss, [&] { decode_slot_key("abc"); });
  error_of(ErrorCode::data_loss, [&] { decode_band_key("abcdef"); });
  error_of(ErrorCode::data_loss, [&] { decode_state(std::string(encode_state({}).view()) + "x"); });
  error_of(ErrorCode::data_loss, [&] { decode_state(encode_state({1, 5, 6}).view()); });

  const std::string record = encode_collection(unusual_record());
  for (std::size_t size = 0; size < record.size(); ++size)
    CHECK_THROWS_AS(decode_collection(record.substr(0, size)), Error);
  for (std::size_t at = 0; at < record.size(); ++at) {
    std::string flipped = record;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    CHECK_THROWS_AS(decode_collection(flipped), Error);
  }
}

TEST_CASE("a newer format version is refused by name, not read as damage") {
  std::string state(encode_state({}).view());
  store_little(state.data(), std::uint32_t{2});
  const std::string message = error_of(ErrorCode::failed_precondition, [&] { decode_state(state); });
  CHECK(mentions(message, "version 2"));
}

TEST_CASE("vectors come back from their bands at any width, as float32 and float16") {
  for (const ScalarType type : {ScalarType::float32, ScalarType::float16}) {
    const VectorCodec codec(small_options(type));
    REQUIRE(codec.bands() == 3);
    std::vector<std::uint16_t> scratch;
    const std::vector<float> vector = vector_of(5);
    const std::string_view encoded = codec.encode(vector, scratch);
    CHECK(encoded.size() == (type == ScalarType::float32 ? 48 : 24));
    for (std::size_t width = 1; width <= 12; ++width) {
      std::vector<float> prefix(width, -1.0f);
      CHECK(codec.bands_for(width) == (width + 3) / 4);
      for (std::size_t band = 0; band < codec.bands_for(width); ++band)
        codec.decode(band, codec.band_of(encoded, band), prefix);
      CHECK(std::equal(prefix.begin(), prefix.end(), vector.begin()));
    }
    std::vector<float> prefix(12);
    error_of(ErrorCode::data_loss, [&] { codec.decode(1, "short", prefix); });
  }
}

TEST_CASE("a wide float16 band decodes across its chunks and from odd addresses") {
  CollectionOptions options = small_options(ScalarType::float16);
  options.dim = 1000;
  options.widths = {1000};
  options.graphs.clear();
  const VectorCodec codec(options.validated());
  const std::vector<float> vector = vector_of(3, 1000);
  std::vector<std::uint16_t> scratch;
  const std::string shifted = "x" + std::string(codec.encode(vector, scratch));
  std::vector<float> back(1000);
  codec.decode(0, std::string_view(shifted).substr(1), back);
  CHECK(back == vector);
}
