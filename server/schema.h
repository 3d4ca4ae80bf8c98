#pragma once
// What the dialect knows of a collection beyond its options.

#include <string>

namespace nestor::server {

struct Schema {
  std::string vector_name;  // empty: the unnamed vector
};

}  // namespace nestor::server
