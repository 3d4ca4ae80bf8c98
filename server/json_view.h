#pragma once
// Reading a JSON body in place. A parsed document is a flat list of nodes that point into the body's own
// text, so that payloads are stored and vectors are read from the bytes that came in, without a tree of
// values in between: for a query of 768 coordinates such a tree alone takes longer than the search.
//
// Strict RFC 8259: no comments, no NaN, valid UTF-8, no lone surrogates, numbers within double's range,
// nesting up to a limit. Of equal keys in an object the last one counts.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nestor::server {

enum class JsonKind : std::uint8_t { null, boolean, number, string, array, object };

class JsonDocument;

// A value inside a document; cheap to copy. The document and its text must outlive it.
class JsonValue {
 public:
  JsonKind kind() const { return kind_; }
  bool is_null() const { return kind_ == JsonKind::null; }
  bool is_array() const { return kind_ == JsonKind::array; }
  bool is_object() const { return kind_ == JsonKind::object; }
  bool is_string() const { return kind_ == JsonKind::string; }
  bool is_number() const { return kind_ == JsonKind::number; }
  bool is_boolean() const { return kind_ == JsonKind::boolean; }

  // As it was sent, from its first to its last character.
  std::string_view text() const { return text_; }

  // Array elements or object members; 0 for anything else.
  std::size_t size() const;
  // An array of one number or more and of nothing else. Its items are read from text(), it has no nodes.
  bool is_number_array() const;
  // Its numbers, each rounded once to the nearest float32: too small becomes 0, too large infinite. Empty for anything
  // else. Valid while the document lives.
  std::span<const float> floats() const;

  // Empty unless this is an array / an object.
  std::vector<JsonValue> items() const;
  std::vector<std::pair<std::string, JsonValue>> members() const;
  std::optional<JsonValue> find(std::string_view key) const;

  // The value, if it is of that kind; integers must be written without fraction and exponent.
  std::optional<bool> as_bool() const;
  std::optional<std::uint64_t> as_unsigned() const;
  std::optional<double> as_double() const;
  std::optional<std::string> as_string() const;  // escapes decoded
  // Between its quotes, where nothing is escaped: the same as as_string() without a copy.
  std::optional<std::string_view> as_plain_string() const;

  // For messages: "boolean `true`", "string \"abc\"", "a list", "an object"; long values are cut.
  std::string describe() const;

 private:
  friend class JsonDocument;
  static constexpr std::uint32_t kNoNode = 0xFFFFFFFF;
  JsonValue(const JsonDocument* document, std::uint32_t node);
  JsonValue(const JsonDocument* document, std::string_view number)
      : document_(document), text_(number), kind_(JsonKind::number) {}

  const JsonDocument* document_ = nullptr;
  std::uint32_t node_ = kNoNode;
  std::string_view text_;
  JsonKind kind_ = JsonKind::null;
};

class JsonDocument {
 public:
  // Throws HttpError 400 "Format error in JSON body: WHAT at line L column C". The text is kept by view.
  // REQUIRES text.size() < 4 GiB.
  explicit JsonDocument(std::string_view text, std::size_t max_depth = 128);
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  JsonValue root() const { return JsonValue(this, 0); }

 private:
  friend class JsonValue;
  friend class JsonParser;

  // In document order: a value's children follow it, `next` is the node after the last of them.
  struct Node {
    std::uint32_t begin = 0, end = 0;          // text of the value
    std::uint32_t key_begin = 0, key_end = 0;  // text of the key between its quotes, for object members
    std::uint32_t next = 0;
    std::uint32_t count = 0;
    std::uint32_t numbers = 0;  // where those of an array of numbers begin
    JsonKind kind = JsonKind::null;
    bool numbers_only = false;
    bool key_escaped = false;
  };

  std::string_view text_;
  std::vector<Node> nodes_;
  std::vector<float> numbers_;  // of all arrays of numbers, one after the other
};

// True when a number in JSON's grammar is beyond the largest double.
bool number_overflows(std::string_view number);

}  // namespace nestor::server
