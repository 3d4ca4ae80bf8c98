#include "storage/payload_field.h"

#include <charconv>

namespace nestor::storage {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Reads JSON text that is known to be well-formed; stays within bounds on any other.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool skip(char wanted) {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  // A string with its quotes; empty: none here.
  std::string_view string() {
    const std::size_t begin = at_;
    if (!skip('"')) return {};
    const std::size_t quote = at_ - 1;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) {
      at_ = begin;
      return {};
    }
    ++at_;
    return text_.substr(quote, at_ - quote);
  }
  // Any value, up to the comma or brace behind it.
  std::string_view value() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    const std::size_t begin = at_;
    for (int depth = 0; at_ < text_.size();) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
      if (c == '"') {
        if (string().empty()) return {};
        continue;
      }
      depth += (c == '{' || c == '[') - (c == '}' || c == ']');
      ++at_;
    }
    std::size_t end = at_;
    while (end > begin && is_space(text_[end - 1])) --end;
    return text_.substr(begin, end - begin);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

template <class Number>
std::optional<Number> read(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  Number number{};
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::string_view> payload_field(std::string_view object, std::string_view name) {
  Scanner scanner(object);
  std::optional<std::string_view> found;
  if (!scanner.skip('{')) return found;
  do {
    const std::string_view key = scanner.string();
    if (key.empty() || !scanner.skip(':')) break;
    const std::string_view value = scanner.value();
    if (key.substr(1, key.size() - 2) == name && !value.empty()) found = value;
  } while (scanner.skip(','));
  return found;
}

std::optional<double> payload_number(std::string_view object, std::string_view name) {
  return read<double>(payload_field(object, name));
}
std::optional<std::uint64_t> payload_unsigned(std::string_view object, std::string_view name) {
  return read<std::uint64_t>(payload_field(object, name));
}

}  // namespace nestor::storage
