#include "server/json_parser.h"

#include <algorithm>
#include <cmath>

#include "server/float_reader.h"
#include "server/protocol.h"

namespace nestor::server {

void JsonParser::parse() {
  try {
    skip_space();
    parse_value(0);
    skip_space();
    if (at_ != text_.size()) fail("trailing characters");
  } catch (const index::JsonTextError& error) {
    refuse(error);
  }
}

// With the place as people count.
void JsonParser::refuse(const index::JsonTextError& error) const {
  const std::size_t end = std::min(error.at, text_.size());
  const std::string_view before = text_.substr(0, end);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
  format_error(error.what + " at line " + std::to_string(line) + " column " + std::to_string(end - line_start + 1));
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
    } else if (index::is_digit(peek()) || peek() == '-') {
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

}  // namespace nestor::server
