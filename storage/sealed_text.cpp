#include "storage/sealed_text.h"

#include <cstdio>
#include <span>

#include "index/error.h"
#include "storage/checksum.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

std::string seal_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  char sum[24];
  std::snprintf(sum, sizeof sum, "%016llx\n",
                static_cast<unsigned long long>(checksum(std::as_bytes(std::span(text)))));
  return text + sum;
}

std::vector<std::string> unseal_lines(std::string_view text, std::string_view head, std::size_t count) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', begin)) {
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (lines.empty() || lines.front() != head)
    throw Error(ErrorCode::data_loss, "does not begin with \"" + std::string(head) + "\"");
  if (lines.size() != count + 2) throw Error(ErrorCode::data_loss, "has the wrong number of lines");
  lines.pop_back();
  if (seal_lines(lines) != text) throw Error(ErrorCode::data_loss, "fails its checksum");
  lines.erase(lines.begin());
  return lines;
}

}  // namespace nestor::storage
