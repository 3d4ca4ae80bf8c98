#include "index/json_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "index/utf8.h"

namespace nestor::index {
namespace {

void append_code_point(std::string& out, unsigned code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 63));
    out += static_cast<char>(0x80 | ((code >> 6) & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

unsigned hex4(std::string_view text, std::size_t at) {
  unsigned value = 0;
  std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return value;
}

}  // namespace

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\\') {
      out += text[at];
      continue;
    }
    switch (text[++at]) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        unsigned code = hex4(text, at + 1);
        at += 4;
        if (code >= 0xD800 && code <= 0xDBFF) {
          code = 0x10000 + ((code - 0xD800) << 10) + (hex4(text, at + 3) - 0xDC00);
          at += 6;
        }
        append_code_point(out, code);
        break;
      }
      default: out += text[at];  // quote, backslash, slash
    }
  }
  return out;
}

bool number_overflows(std::string_view number) {
  double value = 0;
  if (std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc()) return false;
  // Too large or too small? The power of ten of the first digit that is not zero decides.
  const std::size_t e = number.find_first_of("eE");
  const std::string_view digits = number.substr(0, e);
  const std::size_t first = digits.find_first_of("123456789");
  if (first == std::string_view::npos) return false;
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const auto power = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  if (e == std::string_view::npos) return power > 0;
  std::string_view exponent = number.substr(e + 1);
  const bool negative = exponent.front() == '-';
  if (negative || exponent.front() == '+') exponent.remove_prefix(1);
  std::int64_t shift = 0;
  if (std::from_chars(exponent.data(), exponent.data() + exponent.size(), shift).ec != std::errc()) return !negative;
  return power + (negative ? -shift : shift) > 0;
}

void JsonScanner::fail(std::string_view what) const {
  throw JsonTextError{(at_ >= text_.size() ? "unexpected end of text, " : "") + std::string(what), at_};
}

void JsonScanner::scan_literal(std::string_view literal) {
  if (text_.substr(at_, literal.size()) != literal) fail("expected a value");
  at_ += literal.size();
}

void JsonScanner::scan_digits() {
  if (!is_digit(peek())) fail("expected a digit");
  while (is_digit(peek())) ++at_;
}

void JsonScanner::scan_number() {
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
void JsonScanner::skip_plain() {
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

bool JsonScanner::scan_string() {
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
      const std::size_t length = utf8_length(text_, at_);
      if (length == 0) fail("text that is not UTF-8");
      at_ += length;
    }
  }
  fail("a string is not closed");
}

void JsonScanner::scan_escape() {
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

unsigned JsonScanner::scan_hex() {
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

}  // namespace nestor::index
