// The dict literal at the head of a .npy file: a parser for exactly what NumPy writes.
#include <limits>
#include <optional>

#include "index/error.h"
#include "storage/import/npy_reader.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

constexpr std::size_t kMaxDimensions = 32;  // NumPy's own limit

class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      parse_entry();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("text after the closing brace");
    if (!descr_) fail("'descr' is missing");
    if (!fortran_order_) fail("'fortran_order' is missing");
    if (!shape_) fail("'shape' is missing");
    return {*descr_, *fortran_order_, *shape_};
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(ErrorCode::invalid_argument, "malformed .npy header at byte " + std::to_string(at_) + ": " + reason);
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }

  bool accept(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail(std::string("expected '") + wanted + "'");
  }

  void parse_entry() {
    const std::string key = parse_string();
    expect(':');
    if (key == "descr") return set(descr_, key, parse_descr());
    if (key == "fortran_order") return set(fortran_order_, key, parse_bool());
    if (key == "shape") return set(shape_, key, parse_shape());
    fail("unknown key; expected 'descr', 'fortran_order' and 'shape'");
  }

  template <class Value>
  void set(std::optional<Value>& target, const std::string& key, Value value) {
    if (target) fail("'" + key + "' is given twice");
    target = std::move(value);
  }

  std::string parse_string() {
    skip_space();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) fail("expected a quoted string");
    const char quote = text_[at_++];
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("a quoted string does not end");
    std::string value(text_.substr(at_, end - at_));
    for (const char c : value) {
      if (c < ' ' || c > '~' || c == '\\') fail("a quoted string holds something other than plain ASCII");
    }
    at_ = end + 1;
    return value;
  }

  std::string parse_descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[')
      fail("the array has a structured dtype; expected one plain number type");
    return parse_string();
  }

  bool parse_bool() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail("expected True or False");
  }

  std::vector<std::uint64_t> parse_shape() {
    std::vector<std::uint64_t> shape;
    expect('(');
    while (!accept(')')) {
      if (shape.size() == kMaxDimensions) fail("more than 32 dimensions");
      shape.push_back(parse_integer());
      if (!accept(',')) {
        // (5) is a number in Python, not a tuple; NumPy never writes it.
        if (shape.size() == 1) fail("expected ',' after the only dimension");
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::uint64_t parse_integer() {
    skip_space();
    const std::size_t first = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) fail("a dimension does not fit 64 bits");
      value = value * 10 + digit;
    }
    if (at_ == first) fail("expected a dimension (a whole number)");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote (10L, 4L)
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::uint64_t>> shape_;
};

}  // namespace

NpyHeader parse_npy_header(std::string_view text) { return HeaderParser(text).parse(); }

}  // namespace nestor::storage
