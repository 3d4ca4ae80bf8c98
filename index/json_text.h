#pragma once
// The words of JSON text: strings, numbers and literals by the letter of RFC 8259, for whoever reads JSON in place.
// Strict: no NaN, valid UTF-8, no lone surrogates, no control characters, numbers within double's range.

#include <cstddef>
#include <string>
#include <string_view>

namespace nestor::index {

// What is wrong, and at which byte from 0.
struct JsonTextError {
  std::string what;
  std::size_t at;
};

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A place in the text, and the steps past what stands there. Whoever derives from it decides what may stand where.
class JsonScanner {
 protected:
  explicit JsonScanner(std::string_view text) : text_(text) {}

  // Each throws JsonTextError.
  bool scan_string();  // from the opening to past the closing quote; true when it holds escapes
  void scan_number();
  void scan_literal(std::string_view literal);
  [[noreturn]] void fail(std::string_view what) const;

  void skip_space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
      ++at_;
    }
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  std::string_view text_;
  std::size_t at_ = 0;

 private:
  void skip_plain();
  void scan_escape();
  unsigned scan_hex();
  void scan_digits();
};

// The text between the quotes of a string that has been scanned, its escapes decoded.
std::string unescaped(std::string_view text);

// True when a number in JSON's grammar is beyond the largest double.
bool number_overflows(std::string_view number);

}  // namespace nestor::index
