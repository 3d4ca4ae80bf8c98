#include "server/request_id.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <random>

namespace nestor::server {
namespace {

void append_hex(std::string& out, std::uint64_t value) {
  char digits[16];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value, 16).ptr);
}

std::uint64_t random_bits() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

bool is_request_id(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), allowed);
}

void make_request_id(std::string& out) {
  static const std::uint64_t process = random_bits();
  static std::atomic<std::uint64_t> next{1};
  out.clear();
  append_hex(out, process);
  out += '-';
  append_hex(out, next.fetch_add(1, std::memory_order_relaxed));
}

}  // namespace nestor::server
