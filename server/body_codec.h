#pragma once
// CBOR (RFC 8949) and MessagePack bodies, by Content-Type and Accept. Inside the server everything is JSON text: a body
// that comes in another form becomes that text, once, and an answer is turned back.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace nestor::server {

enum class BodyFormat { json, cbor, msgpack };

// By media type; parameters and case do not matter. What names neither of the two binary ones is taken for JSON, since
// clients send JSON under many names.
BodyFormat format_of_content_type(std::string_view content_type);
// What the client would rather have; JSON unless it names one of the two.
BodyFormat format_of_accept(std::string_view accept);
std::string_view media_type(BodyFormat format);

// The same value as JSON text. A byte string becomes base64, so that a vector may be sent as the bytes of its float32
// or float16. CBOR tags are refused. Map keys must be text, numbers finite, and nesting at most max_depth. Throws
// HttpError 400.
std::string binary_to_json(BodyFormat format, std::string_view body, std::size_t max_depth);
// REQUIRES valid JSON text, of our own making.
std::string json_to_binary(BodyFormat format, std::string_view text);

}  // namespace nestor::server
