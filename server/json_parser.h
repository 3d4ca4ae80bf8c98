#pragma once
// Fills a JsonDocument. Apart from it so that the reader's interface stays small.

#include <string_view>

#include "index/json_text.h"
#include "server/json_view.h"

namespace nestor::server {

class JsonParser : private index::JsonScanner {
 public:
  JsonParser(JsonDocument& document, std::size_t max_depth)
      : JsonScanner(document.text_), nodes_(document.nodes_), numbers_(document.numbers_), max_depth_(max_depth) {}

  void parse();

 private:
  using Node = JsonDocument::Node;

  void parse_value(std::size_t depth);
  void parse_container(std::uint32_t node, std::size_t depth);
  void parse_members(std::uint32_t node, std::size_t depth);
  void parse_elements(std::uint32_t node, std::size_t depth);
  bool scan_number_array(std::uint32_t node);
  [[noreturn]] void refuse(const index::JsonTextError& error) const;

  std::vector<Node>& nodes_;
  std::vector<float>& numbers_;
  std::size_t max_depth_;
};

}  // namespace nestor::server
