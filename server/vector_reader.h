#pragma once
// From a value of a request to the float32 coordinates of one dense vector: the only place that knows how
// vectors are written on the wire. Faster readers and other encodings go behind these functions.

#include <cstddef>
#include <string_view>
#include <vector>

#include "server/json_view.h"

namespace nestor::server {

// A dense vector is a list of numbers, or a string: base64 of little-endian float32 or float16. Which of them, its
// length tells: 2 * dim bytes are dim float16, 2 * width bytes are the `width` float16 of a prefix, all else is
// float32.
struct PackedLengths {
  std::size_t dim = 0;    // the collection's full width; 0: strings are always float32
  std::size_t width = 0;  // of the prefix that a request speaks of; 0: of none
};

// How many coordinates the value holds, without reading them. Throws HttpError 400 for whatever is no dense
// vector: text that says what it is (empty, a boolean inside, multivector, sparse) and where it stood.
std::size_t vector_length(const JsonValue& value, std::string_view where, PackedLengths lengths = {});

// Appends the coordinates, each rounded once, to the nearest float32 (what is too small becomes 0).
// Throws HttpError 400: as vector_length, and for a number beyond float32's range.
void append_coordinates(const JsonValue& value, std::string_view where, std::vector<float>& out,
                        PackedLengths lengths = {});

// What a base64 string holds, where a request says so.
enum class PackedType { float32, float16, int8, uint8, binary };
// Throws HttpError 400 for an unknown word.
PackedType parse_packed_type(std::string_view word);
// binary: eight coordinates a byte, the first in its highest bit, 1 for a set bit and -1 for any other. Throws
// HttpError 400 for what is no string of that type.
void append_packed(const JsonValue& value, std::string_view where, PackedType type, std::vector<float>& out);

// "Wrong input: Vector dimension error: expected dim: 256, got 1024"; third-party code looks for this text.
[[noreturn]] void dimension_error(std::size_t expected, std::size_t got);

}  // namespace nestor::server
