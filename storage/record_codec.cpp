#include "storage/record_codec.h"

#include <span>
#include <vector>

#include "index/error.h"
#include "storage/byte_order.h"
#include "storage/checksum.h"

namespace nestor::storage {
namespace {

using index::Error;
using index::ErrorCode;

constexpr char kIntegerTag = 0;
constexpr char kUuidTag = 1;
constexpr std::uint8_t kRowLayout = 1;
constexpr std::uint8_t kRowHasUuid = 1;
constexpr std::uint8_t kRowHasValue = 2;
constexpr std::uint32_t kCollectionLayout = 1;

[[noreturn]] void damaged(const std::string& what) { throw Error(ErrorCode::data_loss, what); }

void check_size(std::string_view bytes, std::size_t expected, const char* what) {
  if (bytes.size() != expected)
    damaged(std::string(what) + " has " + std::to_string(bytes.size()) + " bytes, expected " +
            std::to_string(expected));
}

// Refuses what this program is too old for, before any other field is believed.
void check_version(std::uint32_t version, std::uint32_t known, const char* what) {
  if (version > known)
    throw Error(ErrorCode::failed_precondition, std::string(what) + " has format version " + std::to_string(version) +
                                                    ", this program reads up to " + std::to_string(known));
  if (version != known) damaged(std::string(what) + " has the unknown format version " + std::to_string(version));
}

void append_list(std::string& out, const std::vector<std::uint32_t>& values) {
  append_little(out, static_cast<std::uint32_t>(values.size()));
  for (const std::uint32_t value : values) append_little(out, value);
}

std::vector<std::uint32_t> read_list(ByteReader& in) {
  const auto count = in.little<std::uint32_t>();
  if (count > index::kMaxWidths)
    damaged("collection record lists " + std::to_string(count) + " widths, the limit is " +
            std::to_string(index::kMaxWidths));
  std::vector<std::uint32_t> values(count);
  for (std::uint32_t& value : values) value = in.little<std::uint32_t>();
  return values;
}

// A number that must name one of the enum's values, which are dense from 0 to `last`.
template <typename Enum>
Enum read_enum(ByteReader& in, Enum last, const char* what) {
  const auto number = in.little<std::uint8_t>();
  if (number > static_cast<std::uint8_t>(last))
    damaged(std::string("collection record has the unknown ") + what + " " + std::to_string(number));
  return static_cast<Enum>(number);
}

std::uint64_t checksum_of(std::string_view bytes) { return checksum(std::as_bytes(std::span(bytes))); }

}  // namespace

IdKey encode_id_key(const index::PointId& id) {
  IdKey key;
  char* out = key.bytes.data();
  if (id.is_uuid) {
    out[0] = kUuidTag;
    store_big(out + 1, id.high);
    store_big(out + 9, id.low);
    key.size = 17;
  } else {
    out[0] = kIntegerTag;
    store_big(out + 1, id.low);
    key.size = 9;
  }
  return key;
}

index::PointId decode_id_key(std::string_view key) {
  if (key.size() == 9 && key[0] == kIntegerTag) return index::PointId::number(load_big<std::uint64_t>(key.data() + 1));
  if (key.size() == 17 && key[0] == kUuidTag)
    return {true, load_big<std::uint64_t>(key.data() + 1), load_big<std::uint64_t>(key.data() + 9)};
  damaged("id key of " + std::to_string(key.size()) + " bytes is neither an integer nor a UUID");
}

SlotBytes encode_slot_key(index::Slot slot) {
  SlotBytes key;
  store_big(key.bytes.data(), slot);
  key.size = 4;
  return key;
}

index::Slot decode_slot_key(std::string_view key) {
  check_size(key, 4, "slot key");
  return load_big<index::Slot>(key.data());
}

BandKey encode_band_key(std::uint8_t band, index::Slot slot) {
  BandKey key;
  store_big(key.bytes.data(), band);
  store_big(key.bytes.data() + 1, slot);
  key.size = 5;
  return key;
}

index::Slot decode_band_key(std::string_view key) {
  check_size(key, 5, "band key");
  return load_big<index::Slot>(key.data() + 1);
}

SlotBytes encode_slot_value(index::Slot slot) {
  SlotBytes value;
  store_little(value.bytes.data(), slot);
  value.size = 4;
  return value;
}

index::Slot decode_slot_value(std::string_view value) {
  check_size(value, 4, "slot of an id");
  return load_little<index::Slot>(value.data());
}

RowHeaderBytes encode_row_header(const index::RowHeader& header) {
  RowHeaderBytes out;
  char* p = out.bytes.data();
  const std::uint8_t flags =
      static_cast<std::uint8_t>((header.id.is_uuid ? kRowHasUuid : 0) | (header.value ? kRowHasValue : 0));
  store_little(p, kRowLayout);
  store_little(p + 1, flags);
  store_little(p + 2, std::uint64_t{header.version});
  p += 10;
  if (header.id.is_uuid) {
    store_big(p, header.id.high);
    p += 8;
  }
  store_big(p, header.id.low);
  p += 8;
  if (header.value) {
    store_little(p, *header.value);
    p += 4;
  }
  out.size = static_cast<std::size_t>(p - out.bytes.data());
  return out;
}

index::RowHeader decode_row_header(index::Slot slot, std::string_view bytes) {
  ByteReader in(bytes, "row header");
  check_version(in.little<std::uint8_t>(), kRowLayout, "row header");
  const auto flags = in.little<std::uint8_t>();
  if (flags & ~(kRowHasUuid | kRowHasValue)) damaged("row header has unknown flags " + std::to_string(flags));
  index::RowHeader header;
  header.slot = slot;
  header.version = in.little<std::uint64_t>();
  header.id.is_uuid = flags & kRowHasUuid;
  if (header.id.is_uuid) header.id.high = load_big<std::uint64_t>(in.take(8).data());
  header.id.low = load_big<std::uint64_t>(in.take(8).data());
  if (flags & kRowHasValue) header.value = in.little<std::uint32_t>();
  in.expect_end();
  return header;
}

StateBytes encode_state(const index::StoreState& state) {
  StateBytes out;
  char* p = out.bytes.data();
  store_little(p, kFormatVersion);
  store_little(p + 4, std::uint64_t{state.sequence});
  store_little(p + 12, state.next_slot);
  store_little(p + 16, state.points);
  out.size = 24;
  return out;
}

index::StoreState decode_state(std::string_view bytes) {
  ByteReader in(bytes, "state record");
  check_version(in.little<std::uint32_t>(), kFormatVersion, "state record");
  index::StoreState state;
  state.sequence = in.little<std::uint64_t>();
  state.next_slot = in.little<std::uint32_t>();
  state.points = in.little<std::uint64_t>();
  in.expect_end();
  if (state.points > state.next_slot)
    damaged("state record counts " + std::to_string(state.points) + " points in " + std::to_string(state.next_slot) +
            " slots");
  return state;
}

std::string encode_collection(const CollectionRecord& record) {
  const index::CollectionOptions& options = record.options;
  std::string out;
  append_little(out, kCollectionLayout);
  append_little(out, options.dim);
  append_little(out, static_cast<std::uint8_t>(options.metric));
  append_little(out, static_cast<std::uint8_t>(options.scalar_type));
  append_little(out, static_cast<std::uint8_t>(options.rotation));
  append_little(out, static_cast<std::uint8_t>(options.sync));
  append_little(out, options.graph.max_links);
  append_little(out, options.graph.candidates_at_build);
  append_little(out, std::uint64_t{options.graph.seed});
  append_little(out, options.exact_below);
  append_list(out, options.widths);
  append_list(out, options.graphs);
  append_little(out, static_cast<std::uint32_t>(record.attributes.size()));
  out += record.attributes;
  if (options.walk_codes != index::WalkCodes::automatic)
    append_little(out, static_cast<std::uint8_t>(options.walk_codes));
  append_little(out, checksum_of(out));
  return out;
}

CollectionRecord decode_collection(std::string_view bytes) {
  ByteReader in(bytes, "collection record");
  check_version(in.little<std::uint32_t>(), kCollectionLayout, "collection record");
  if (bytes.size() < 8 ||
      checksum_of(bytes.substr(0, bytes.size() - 8)) != load_little<std::uint64_t>(bytes.data() + bytes.size() - 8))
    damaged("collection record fails its checksum");

  CollectionRecord record;
  index::CollectionOptions& options = record.options;
  options.dim = in.little<std::uint32_t>();
  options.metric = read_enum(in, index::Metric::cosine, "metric");
  options.scalar_type = read_enum(in, index::ScalarType::float16, "scalar type");
  options.rotation = read_enum(in, index::Rotation::pca, "rotation");
  options.sync = read_enum(in, index::SyncPolicy::interval, "sync policy");
  options.graph.max_links = in.little<std::uint32_t>();
  options.graph.candidates_at_build = in.little<std::uint32_t>();
  options.graph.seed = in.little<std::uint64_t>();
  options.exact_below = in.little<std::uint32_t>();
  options.widths = read_list(in);
  options.graphs = read_list(in);
  record.attributes = in.take(in.little<std::uint32_t>());
  if (in.left() > 8) options.walk_codes = read_enum(in, index::WalkCodes::leading_bits, "walk codes");
  in.take(8);
  in.expect_end();
  try {
    options = options.validated();
  } catch (const Error& error) {
    damaged(std::string("collection record holds impossible options: ") + error.what());
  }
  return record;
}

}  // namespace nestor::storage
