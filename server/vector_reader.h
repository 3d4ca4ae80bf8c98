#pragma once
// From a value of a request to the float32 coordinates of one dense vector: the only place that knows how
// vectors are written on the wire. Faster readers and other encodings go behind these functions.

#include <cstddef>
#include <string_view>
#include <vector>

#include "server/json_view.h"

namespace nestor::server {

// A dense vector is a list of numbers, or a string: base64 of little-endian float32, or of float16 where it holds
// 2 * dim bytes. `dim` is the collection's full width; 0: strings are always float32.

// How many coordinates the value holds, without reading them. Throws HttpError 400 for whatever is no dense
// vector: text that says what it is (empty, a boolean inside, multivector, sparse) and where it stood.
std::size_t vector_length(const JsonValue& value, std::string_view where, std::size_t dim = 0);

// Appends the coordinates, each rounded once, to the nearest float32 (what is too small becomes 0).
// Throws HttpError 400: as vector_length, and for a number beyond float32's range.
void append_coordinates(const JsonValue& value, std::string_view where, std::vector<float>& out, std::size_t dim = 0);

// "Wrong input: Vector dimension error: expected dim: 256, got 1024"; third-party code looks for this text.
[[noreturn]] void dimension_error(std::size_t expected, std::size_t got);

}  // namespace nestor::server
