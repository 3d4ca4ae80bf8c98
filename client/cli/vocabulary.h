#pragma once
// Token ids as words: a text file whose line number, counted from 0, is the token id.

#include <cstdint>
#include <string>
#include <vector>

namespace nestor::client {

class Vocabulary {
 public:
  Vocabulary() = default;  // knows no words
  // Throws Error not_found, permission_denied, invalid_argument.
  explicit Vocabulary(const std::string& path);

  bool empty() const { return words_.empty(); }
  // The word, printable; "token 17" when the file has no such line or there is no file.
  std::string word(std::uint32_t token) const;

 private:
  std::vector<std::string> words_;
};

}  // namespace nestor::client
