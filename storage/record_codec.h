#pragma once
// The byte layouts of a collection's RocksDB, format version 1. Integers in keys are big-endian, so that RocksDB's
// bytewise order is the numeric order; integers in values are little-endian.
//
//   column family  key                                 value
//   default        "state"                             u32 format version, u64 sequence, u32 next slot, u64 points
//   default        "collection"                        options and attributes, below
//   default        "certificates"                      certificate_codec.h; absent before the first calibration
//   ids            0x00, u64 integer                   u32 slot
//                  0x01, 16 bytes of UUID              u32 slot
//   rows           u32 slot                            row header, below
//   bands          u8 band, u32 slot                   the band's coordinates (vector_codec.h)
//   payloads       u32 slot                            JSON object text; absent when empty
//   dead           u32 slot                            nothing
//   terms          payload indexes, term_index.h
//
// Row header:    u8 layout (1), u8 flags (1: the id is a UUID, 2: has a value), u64 version,
//                id (8 or 16 bytes, big-endian), u32 value when flagged.
// Collection:    u32 layout (1), u32 dim, u8 metric, u8 scalar type, u8 rotation, u8 sync policy, u32 max_links,
//                u32 candidates_at_build, u64 seed, u32 exact_below, u32 count and so many u32 widths,
//                u32 count and so many u32 graphs, u32 length and so many bytes of attributes,
//                u8 walk codes (absent: automatic), u64 XXH3 of everything before it.
//
// Decoders never read out of bounds; bytes that no encoder writes throw Error data_loss.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "index/options.h"
#include "index/record_store.h"
#include "index/types.h"

namespace nestor::storage {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::string_view kStateKey = "state";
inline constexpr std::string_view kCollectionKey = "collection";

// Up to N bytes that live on the stack: one write makes a handful of these per row.
template <std::size_t N>
struct ShortBytes {
  std::array<char, N> bytes{};
  std::size_t size = 0;

  std::string_view view() const { return {bytes.data(), size}; }
};

using IdKey = ShortBytes<17>;
using SlotBytes = ShortBytes<4>;
using BandKey = ShortBytes<5>;
using RowHeaderBytes = ShortBytes<30>;
using StateBytes = ShortBytes<24>;

// Bytewise order of keys = order of PointId: integers first.
IdKey encode_id_key(const index::PointId& id);
index::PointId decode_id_key(std::string_view key);

SlotBytes encode_slot_key(index::Slot slot);
index::Slot decode_slot_key(std::string_view key);

BandKey encode_band_key(std::uint8_t band, index::Slot slot);
index::Slot decode_band_key(std::string_view key);  // the slot

// The value of an id: little-endian, like all values.
SlotBytes encode_slot_value(index::Slot slot);
index::Slot decode_slot_value(std::string_view value);

// The slot is in the key, not in the bytes.
RowHeaderBytes encode_row_header(const index::RowHeader& header);
index::RowHeader decode_row_header(index::Slot slot, std::string_view bytes);

// Decoding a newer format version throws Error failed_precondition.
StateBytes encode_state(const index::StoreState& state);
index::StoreState decode_state(std::string_view bytes);

struct CollectionRecord {
  index::CollectionOptions options;  // validated
  std::string attributes;
};

std::string encode_collection(const CollectionRecord& record);
CollectionRecord decode_collection(std::string_view bytes);

}  // namespace nestor::storage
