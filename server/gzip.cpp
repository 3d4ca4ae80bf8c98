#include "server/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <new>

#include "server/message.h"

namespace nestor::server {
namespace {

constexpr int kGzipFormat = 15 + 16;  // the largest window; 16 asks for gzip's header
constexpr int kMemoryLevel = 8;

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// "q=0", "q=0.00", but not "q=0.5".
bool is_zero_weight(std::string_view parameter) {
  parameter = trimmed(parameter);
  return (parameter.starts_with("q=") || parameter.starts_with("Q=")) && parameter.size() > 2 &&
         parameter.find_first_not_of("0.", 2) == std::string_view::npos;
}

}  // namespace

bool takes_gzip(std::string_view accept_encoding) {
  bool everything = false;
  while (!accept_encoding.empty()) {
    const std::size_t end = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view item = accept_encoding.substr(0, end);
    const std::size_t semicolon = item.find(';');
    const std::string_view name = trimmed(item.substr(0, semicolon));
    const bool zero = semicolon != std::string_view::npos && is_zero_weight(item.substr(semicolon + 1));
    if (same_header_name(name, "gzip") || same_header_name(name, "x-gzip")) return !zero;
    if (name == "*") everything = !zero;
    accept_encoding.remove_prefix(std::min(end + 1, accept_encoding.size()));
  }
  return everything;
}

std::string gzip(std::string_view text) {
  z_stream stream{};
  if (::deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipFormat, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::deflate(&stream, Z_FINISH);  // cannot fail: the bound is enough, and an answer is far below 4 GiB
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

}  // namespace nestor::server
