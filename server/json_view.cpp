#include "server/json_view.h"

#include <algorithm>
#include <charconv>

#include "index/json_text.h"
#include "server/json_parser.h"
#include "server/json_writer.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

// The numbers of "[1, 2.5,3]" one after the other.
template <typename Visit>
void for_each_number(std::string_view array, const Visit& visit) {
  std::size_t at = 1;
  while (at < array.size()) {
    const std::size_t begin = array.find_first_not_of(" \n\r\t,]", at);
    if (begin == std::string_view::npos) return;
    const std::size_t end = array.find_first_of(" \n\r\t,]", begin);
    visit(array.substr(begin, end - begin));
    at = end + 1;
  }
}

}  // namespace

bool number_overflows(std::string_view number) { return index::number_overflows(number); }

JsonDocument::JsonDocument(std::string_view text, std::size_t max_depth) : text_(text) {
  JsonParser(*this, max_depth).parse();
}

JsonValue::JsonValue(const JsonDocument* document, std::uint32_t node)
    : document_(document), node_(node), kind_(document->nodes_[node].kind) {
  const auto& stored = document->nodes_[node];
  text_ = document->text_.substr(stored.begin, stored.end - stored.begin);
}

std::size_t JsonValue::size() const { return node_ == kNoNode ? 0 : document_->nodes_[node_].count; }

bool JsonValue::is_number_array() const { return node_ != kNoNode && document_->nodes_[node_].numbers_only; }

std::span<const float> JsonValue::floats() const {
  if (!is_number_array()) return {};
  const auto& node = document_->nodes_[node_];
  return std::span(document_->numbers_).subspan(node.numbers, node.count);
}

std::vector<JsonValue> JsonValue::items() const {
  std::vector<JsonValue> out;
  if (!is_array()) return out;
  out.reserve(size());
  if (is_number_array()) {
    for_each_number(text_, [&](std::string_view number) { out.push_back(JsonValue(document_, number)); });
    return out;
  }
  const auto& nodes = document_->nodes_;
  for (std::uint32_t child = node_ + 1; child < nodes[node_].next; child = nodes[child].next)
    out.push_back(JsonValue(document_, child));
  return out;
}

std::vector<std::pair<std::string, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<std::string, JsonValue>> out;
  if (!is_object()) return out;
  out.reserve(size());
  const auto& nodes = document_->nodes_;
  for (std::uint32_t child = node_ + 1; child < nodes[node_].next; child = nodes[child].next) {
    const auto& node = nodes[child];
    const std::string_view key = document_->text_.substr(node.key_begin, node.key_end - node.key_begin);
    out.emplace_back(node.key_escaped ? index::unescaped(key) : std::string(key), JsonValue(document_, child));
  }
  return out;
}

std::optional<JsonValue> JsonValue::find(std::string_view key) const {
  std::optional<JsonValue> found;
  if (!is_object()) return found;
  const auto& nodes = document_->nodes_;
  for (std::uint32_t child = node_ + 1; child < nodes[node_].next; child = nodes[child].next) {
    const auto& node = nodes[child];
    const std::string_view name = document_->text_.substr(node.key_begin, node.key_end - node.key_begin);
    if (node.key_escaped ? index::unescaped(name) == key : name == key) found = JsonValue(document_, child);
  }
  return found;
}

std::optional<bool> JsonValue::as_bool() const {
  if (!is_boolean()) return std::nullopt;
  return text_ == "true";
}

std::optional<std::uint64_t> JsonValue::as_unsigned() const {
  if (!is_number()) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
  if (code != std::errc() || end != text_.data() + text_.size()) return std::nullopt;
  return value;
}

std::optional<double> JsonValue::as_double() const {
  if (!is_number()) return std::nullopt;
  double value = 0;  // stays 0 for what is too small for a double; too large was refused by the parser
  std::from_chars(text_.data(), text_.data() + text_.size(), value);
  return value;
}

std::optional<std::string> JsonValue::as_string() const {
  if (const auto plain = as_plain_string()) return std::string(*plain);
  if (!is_string()) return std::nullopt;
  return index::unescaped(text_.substr(1, text_.size() - 2));
}

std::optional<std::string_view> JsonValue::as_plain_string() const {
  if (!is_string() || text_.find('\\') != std::string_view::npos) return std::nullopt;
  return text_.substr(1, text_.size() - 2);
}

std::string JsonValue::describe() const {
  constexpr std::size_t kLongest = 64;
  const auto shown = [&] {
    std::size_t cut = std::min(text_.size(), kLongest);
    while (cut < text_.size() && (static_cast<unsigned char>(text_[cut]) & 0xC0) == 0x80) --cut;
    return std::string(text_.substr(0, cut)) + (cut < text_.size() ? "..." : "");
  };
  switch (kind_) {
    case JsonKind::null: return "null";
    case JsonKind::boolean: return "boolean `" + shown() + "`";
    case JsonKind::number: return "number `" + shown() + "`";
    case JsonKind::string: return "string " + shown();
    case JsonKind::array: return "a list";
    case JsonKind::object: return "an object";
  }
  return "a value";
}

std::optional<std::string> canonical_scalar(const JsonValue& value) {
  if (value.is_boolean()) return std::string(value.text());
  if (value.is_number()) {
    if (value.text().find_first_of(".eE") != std::string_view::npos) return std::nullopt;
    return value.text() == "-0" ? "0" : std::string(value.text());
  }
  if (!value.is_string()) return std::nullopt;
  std::string text;
  append_string(text, *value.as_string());
  return text;
}

}  // namespace nestor::server
