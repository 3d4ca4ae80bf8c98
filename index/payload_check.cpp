#include "index/payload_check.h"

#include <charconv>

#include "index/error.h"
#include "index/json_text.h"

namespace nestor::index {
namespace {

constexpr std::size_t kStoredDepth = 1000;  // the largest limit that a server could be given when it took payloads

[[noreturn]] void refuse(const PointId& id, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "the payload of point " + to_string(id) + " " + what);
}

// Passes over one JSON object and keeps its token field. Nothing is allocated unless a key is escaped.
class PayloadScanner : private JsonScanner {
 public:
  PayloadScanner(std::string_view text, std::size_t max_depth) : JsonScanner(text), max_depth_(max_depth) {}

  // Throws JsonTextError.
  void scan() {
    skip_space();
    if (peek() != '{') fail("expected an object");
    scan_value(0);
    skip_space();
    if (at_ != text_.size()) fail("trailing characters");
  }

  // As it is written; empty: there is none. Of equal keys the last one counts.
  std::string_view token() const { return token_; }

 private:
  void scan_value(std::size_t depth) {
    switch (peek()) {
      case '{':
      case '[': return scan_container(depth);
      case '"': scan_string(); return;
      case 't': return scan_literal("true");
      case 'f': return scan_literal("false");
      case 'n': return scan_literal("null");
      default: scan_number();
    }
  }

  void scan_container(std::size_t depth) {
    if (depth >= max_depth_) fail("nested deeper than " + std::to_string(max_depth_) + " levels");
    const bool object = text_[at_++] == '{';
    const char closing = object ? '}' : ']';
    skip_space();
    if (peek() == closing) {
      ++at_;
      return;
    }
    while (true) {
      const bool is_token = object && scan_key() && depth == 0;
      const std::size_t begin = at_;
      scan_value(depth + 1);
      if (is_token) token_ = text_.substr(begin, at_ - begin);
      skip_space();
      if (peek() == closing) break;
      if (peek() != ',') fail(object ? "expected `,` or `}`" : "expected `,` or `]`");
      ++at_;
      skip_space();
    }
    ++at_;
  }

  // Up to the value; whether it is the token's.
  bool scan_key() {
    if (peek() != '"') fail("expected a key in double quotes");
    const std::size_t begin = at_ + 1;
    const bool escaped = scan_string();
    const std::string_view key = text_.substr(begin, at_ - 1 - begin);
    skip_space();
    if (peek() != ':') fail("expected `:`");
    ++at_;
    skip_space();
    return escaped ? unescaped(key) == kTokenField : key == kTokenField;
  }

  std::size_t max_depth_;
  std::string_view token_;
};

std::string place(const JsonTextError& error) { return error.what + " at byte " + std::to_string(error.at); }

std::optional<std::uint32_t> token_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > kMaxToken)
    return std::nullopt;
  return static_cast<std::uint32_t>(number);
}

}  // namespace

std::optional<std::uint32_t> check_payload(const PointId& id, std::string_view payload,
                                           std::optional<std::uint32_t> value) {
  if (value && *value > kMaxToken)
    throw Error(ErrorCode::invalid_argument, "token value " + std::to_string(*value) + " is reserved");
  if (payload.empty()) return value;
  if (payload.size() > kMaxPayloadBytes)
    refuse(id, "has " + std::to_string(payload.size()) + " bytes, at most " + std::to_string(kMaxPayloadBytes) +
                   " are allowed");
  PayloadScanner scanner(payload, kMaxPayloadDepth);
  try {
    scanner.scan();
  } catch (const JsonTextError& error) {
    refuse(id, "is not the text of a JSON object: " + place(error));
  }
  const auto token = token_number(scanner.token());
  if (value && !scanner.token().empty() && token != value)
    refuse(id, "has the " + std::string(kTokenField) + " " + std::string(scanner.token().substr(0, 40)) +
                   ", but the point's value is " + std::to_string(*value));
  return value ? value : token;
}

std::string payload_trouble(std::string_view payload) {
  if (payload.empty()) return {};
  try {
    PayloadScanner(payload, kStoredDepth).scan();
  } catch (const JsonTextError& error) {
    return place(error);
  }
  return {};
}

}  // namespace nestor::index
