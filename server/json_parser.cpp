#include "server/json_parser.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "index/utf8.h"
#include "server/float_reader.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void JsonParser::fail(std::string_view what) const {
  const std::size_t end = std::min(at_, text_.size());
  const std::string_view before = text_.substr(0, end);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
  format_error((at_ >= text_.size() ? "unexpected end of text, " : "") + std::string(what) + " at line " +
               std::to_string(line) + " column " + std::to_string(end - line_start + 1));
}

void JsonParser::parse() {
  skip_space();
  parse_value(0);
  skip_space();
  if (at_ != text_.size()) fail("trailing characters");
}

void JsonParser::skip_space() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++at_;
  }
}

void JsonParser::parse_value(std::size_t depth) {
  const auto node = static_cast<std::uint32_t>(nodes_.size());
  nodes_.emplace_back();
  nodes_[node].begin = static_cast<std::uint32_t>(at_);
  JsonKind kind = JsonKind::null;
  switch (peek()) {
    case '{':
    case '[':
      kind = peek() == '{' ? JsonKind::object : JsonKind::array;
      if (depth >= max_depth_) fail("nested deeper than " + std::to_string(max_depth_) + " levels");
      parse_container(node, depth);
      break;
    case '"':
      kind = JsonKind::string;
      scan_string();
      break;
    case 't':
      kind = JsonKind::boolean;
      scan_literal("true");
      break;
    case 'f':
      kind = JsonKind::boolean;
      scan_literal("false");
      break;
    case 'n': scan_literal("null"); break;
    default: kind = JsonKind::number; scan_number();
  }
  nodes_[node].kind = kind;
  nodes_[node].end = static_cast<std::uint32_t>(at_);
  nodes_[node].next = static_cast<std::uint32_t>(nodes_.size());
}

void JsonParser::parse_container(std::uint32_t node, std::size_t depth) {
  const bool object = text_[at_++] == '{';
  const char closing = object ? '}' : ']';
  skip_space();
  if (peek() == closing) {
    ++at_;
    return;
  }
  if (object) return parse_members(node, depth + 1);
  if (!scan_number_array(node)) parse_elements(node, depth + 1);
}

void JsonParser::parse_members(std::uint32_t node, std::size_t depth) {
  while (true) {
    if (peek() != '"') fail("expected a key in double quotes");
    const std::size_t key = at_ + 1;
    const bool escaped = scan_string();
    const std::size_t key_end = at_ - 1;
    skip_space();
    if (peek() != ':') fail("expected `:`");
    ++at_;
    skip_space();
    const std::size_t child = nodes_.size();
    parse_value(depth);
    nodes_[child].key_begin = static_cast<std::uint32_t>(key);
    nodes_[child].key_end = static_cast<std::uint32_t>(key_end);
    nodes_[child].key_escaped = escaped;
    ++nodes_[node].count;
    skip_space();
    if (peek() == '}') break;
    if (peek() != ',') fail("expected `,` or `}`");
    ++at_;
    skip_space();
  }
  ++at_;
}

void JsonParser::parse_elements(std::uint32_t node, std::size_t depth) {
  while (true) {
    parse_value(depth);
    ++nodes_[node].count;
    skip_space();
    if (peek() == ']') break;
    if (peek() != ',') fail("expected `,` or `]`");
    ++at_;
    skip_space();
  }
  ++at_;
}

// Vectors: checked, counted and read as float32 in one pass. False, with nothing changed, at the first element that is
// no number; the elements before it are then scanned a second time, which keeps the whole linear.
bool JsonParser::scan_number_array(std::uint32_t node) {
  const std::size_t start = at_, first = numbers_.size();
  const char* const end = text_.data() + text_.size();
  while (true) {
    float value = 0;
    const char* const begin = text_.data() + at_;
    const char* const next = read_float(begin, end, value);
    if (next && !std::isinf(value)) {
      at_ = static_cast<std::size_t>(next - text_.data());
    } else if (is_digit(peek()) || peek() == '-') {
      scan_number();  // says what is wrong, unless it is only that a float32 is too small for it
    } else {
      at_ = start;
      numbers_.resize(first);
      return false;
    }
    numbers_.push_back(value);
    if (peek() != ',') {
      skip_space();
      if (peek() == ']') break;
      if (peek() != ',') fail("expected `,` or `]`");
    }
    ++at_;
    skip_space();
  }
  ++at_;
  nodes_[node].numbers = static_cast<std::uint32_t>(first);
  nodes_[node].count = static_cast<std::uint32_t>(numbers_.size() - first);
  nodes_[node].numbers_only = true;
  return true;
}

void JsonParser::scan_literal(std::string_view literal) {
  if (text_.substr(at_, literal.size()) != literal) fail("expected a value");
  at_ += literal.size();
}

void JsonParser::scan_digits() {
  if (!is_digit(peek())) fail("expected a digit");
  while (is_digit(peek())) ++at_;
}

void JsonParser::scan_number() {
  const std::size_t start = at_;
  if (peek() == '-') ++at_;
  if (!is_digit(peek())) fail(at_ == start ? "expected a value" : "expected a digit");
  if (peek() == '0') {
    ++at_;
    if (is_digit(peek())) fail("a number with a leading zero");
  } else {
    scan_digits();
  }
  if (peek() == '.') {
    ++at_;
    scan_digits();
  }
  bool may_overflow = at_ - start > 300;
  if (peek() == 'e' || peek() == 'E') {
    may_overflow = true;
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    scan_digits();
  }
  if (may_overflow && number_overflows(text_.substr(start, at_ - start))) {
    at_ = start;
    fail("number out of range");
  }
}

// Past eight bytes at a time while all are plain: ASCII, no control characters, neither quote nor backslash.
void JsonParser::skip_plain() {
  constexpr std::uint64_t kOnes = 0x0101010101010101ull, kTops = 0x8080808080808080ull;
  // The top bit of the lowest byte that is zero; bytes above it may be wrong.
  const auto zero = [](std::uint64_t word) { return (word - kOnes) & ~word & kTops; };
  while (text_.size() - at_ >= 8) {
    std::uint64_t word;
    std::memcpy(&word, text_.data() + at_, 8);
    const std::uint64_t control = (word - kOnes * 0x20) & ~word & kTops;
    if ((word & kTops) | control | zero(word ^ kOnes * '"') | zero(word ^ kOnes * '\\')) return;
    at_ += 8;
  }
}

bool JsonParser::scan_string() {
  bool escaped = false;
  ++at_;
  while (at_ < text_.size()) {
    skip_plain();
    if (at_ == text_.size()) break;
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') {
      ++at_;
      return escaped;
    }
    if (c == '\\') {
      escaped = true;
      scan_escape();
    } else if (c < 0x20) {
      fail("control character in a string");
    } else if (c < 0x80) {
      ++at_;
    } else {
      const std::size_t length = index::utf8_length(text_, at_);
      if (length == 0) fail("text that is not UTF-8");
      at_ += length;
    }
  }
  fail("a string is not closed");
}

void JsonParser::scan_escape() {
  ++at_;
  const char c = peek();
  if (c != 'u') {
    if (c == '\0' || std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) fail("unknown escape");
    ++at_;
    return;
  }
  ++at_;
  const unsigned first = scan_hex();
  if (first >= 0xDC00 && first <= 0xDFFF) fail("lone surrogate in an escape");
  if (first < 0xD800 || first > 0xDBFF) return;
  if (text_.substr(at_, 2) != "\\u") fail("lone surrogate in an escape");
  at_ += 2;
  const unsigned second = scan_hex();
  if (second < 0xDC00 || second > 0xDFFF) fail("lone surrogate in an escape");
}

unsigned JsonParser::scan_hex() {
  unsigned value = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = peek();
    const char low = static_cast<char>(c | 0x20);
    if (is_digit(c)) {
      value = value * 16 + static_cast<unsigned>(c - '0');
    } else if (low >= 'a' && low <= 'f') {
      value = value * 16 + static_cast<unsigned>(low - 'a' + 10);
    } else {
      fail("expected four hexadecimal digits");
    }
  }
  return value;
}

}  // namespace nestor::server
