#pragma once
// Fills a JsonDocument. Apart from it so that the reader's interface stays small.

#include <string_view>

#include "server/json_view.h"

namespace nestor::server {

class JsonParser {
 public:
  JsonParser(JsonDocument& document, std::size_t max_depth)
      : text_(document.text_), nodes_(document.nodes_), numbers_(document.numbers_), max_depth_(max_depth) {}

  void parse();

 private:
  using Node = JsonDocument::Node;

  void parse_value(std::size_t depth);
  void parse_container(std::uint32_t node, std::size_t depth);
  void parse_members(std::uint32_t node, std::size_t depth);
  void parse_elements(std::uint32_t node, std::size_t depth);
  bool scan_number_array(std::uint32_t node);
  void scan_literal(std::string_view literal);
  void scan_number();
  bool scan_string();  // from the opening to past the closing quote; true when it holds escapes
  void skip_plain();
  void scan_escape();
  unsigned scan_hex();
  void scan_digits();
  void skip_space();
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[noreturn]] void fail(std::string_view what) const;

  std::string_view text_;
  std::vector<Node>& nodes_;
  std::vector<float>& numbers_;
  std::size_t max_depth_;
  std::size_t at_ = 0;
};

}  // namespace nestor::server
