#include "client/cli/vocabulary.h"

#include <algorithm>

#include "client/cli/text_file.h"
#include "index/error.h"
#include "storage/import/input_file.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

constexpr std::uint64_t kMaxBytes = 256u << 20;

}  // namespace

Vocabulary::Vocabulary(const std::string& path) {
  const storage::InputFile file(path);
  if (file.size() > kMaxBytes) {
    throw Error(ErrorCode::invalid_argument, path + ": " + std::to_string(file.size()) +
                                                 " bytes are too many for a vocabulary (one word per line, at most " +
                                                 std::to_string(kMaxBytes) + " bytes)");
  }
  std::string text(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  text.erase(0, text.size() - without_byte_order_mark(text, path).size());
  if (text.find('\0') != std::string::npos) {
    throw Error(ErrorCode::invalid_argument, path + " is not a text file; expected one word per line");
  }
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.find('\n', at);
    if (end == std::string::npos) end = text.size();
    std::string word = text.substr(at, end - at);
    if (word.ends_with('\r')) word.pop_back();
    // A terminal must show the word, not obey it.
    std::replace_if(
        word.begin(), word.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, '?');
    words_.push_back(std::move(word));
    at = end + 1;
  }
}

std::string Vocabulary::word(std::uint32_t token) const {
  return token < words_.size() ? words_[token] : "token " + std::to_string(token);
}

}  // namespace nestor::client
