#include "server/field_path.h"

#include <charconv>

#include "server/fields.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  FieldPath run() {
    for (;;) {
      path_.steps.push_back({FieldPath::Kind::key, key(), 0});
      while (peek() == '[') brackets();
      if (path_.steps.size() > FieldPath::kMaxSteps) fail();
      if (at_ == text_.size()) return std::move(path_);
      if (text_[at_++] != '.') fail();
    }
  }

 private:
  std::string key() {
    if (peek() == '"') {
      const std::size_t end = text_.find('"', at_ + 1);
      if (end == std::string_view::npos) fail();
      const std::string_view quoted = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
      return std::string(quoted);
    }
    const std::size_t end = std::min(text_.find_first_of(".[]\"", at_), text_.size());
    if (end == at_) fail();
    const std::string_view plain = text_.substr(at_, end - at_);
    at_ = end;
    return std::string(plain);
  }

  void brackets() {
    const std::size_t end = text_.find(']', at_);
    if (end == std::string_view::npos) fail();
    const char* first = text_.data() + at_ + 1;
    const char* last = text_.data() + end;
    FieldPath::Step step{FieldPath::Kind::every_element, {}, 0};
    if (first != last) {
      step.kind = FieldPath::Kind::element;
      const auto [stop, code] = std::from_chars(first, last, step.index);
      if (code != std::errc() || stop != last) fail();
    }
    path_.steps.push_back(std::move(step));
    at_ = end + 1;
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[noreturn]] void fail() const {
    wrong_input("\"" + std::string(text_.substr(0, 64)) + "\" is not a payload key (keys are joined by dots, a[] means "
                "every element of a list, a[0] its first, a key with a dot stands in quotes, at most 64 of all these)");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  FieldPath path_;
};

void collect(const FieldPath& path, std::size_t step, const JsonValue& value, std::vector<JsonValue>& out) {
  if (step == path.steps.size()) {
    out.push_back(value);
    return;
  }
  const FieldPath::Step& s = path.steps[step];
  if (s.kind == FieldPath::Kind::key) {
    if (const auto member = value.find(s.key)) collect(path, step + 1, *member, out);
    return;
  }
  const auto items = value.items();
  if (s.kind == FieldPath::Kind::every_element)
    for (const JsonValue& item : items) collect(path, step + 1, item, out);
  else if (s.index < items.size())
    collect(path, step + 1, items[s.index], out);
}

}  // namespace

FieldPath parse_field_path(std::string_view text) { return PathParser(text).run(); }

FieldPath path_field(const JsonValue& object, std::string_view name) {
  const JsonValue value = required_field(object, name);
  if (!value.is_string()) wrong_type(value, name, "a payload key (a string)");
  return parse_field_path(*value.as_string());
}

std::vector<JsonValue> values_at(const FieldPath& path, const JsonValue& payload) {
  std::vector<JsonValue> out;
  collect(path, 0, payload, out);
  return out;
}

}  // namespace nestor::server
