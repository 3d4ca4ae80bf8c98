#include "server/base64.h"

#include <array>
#include <cstdint>

namespace nestor::server {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(0xFF);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return digits;
}

constexpr std::array<std::uint8_t, 256> kDigits = make_digits();

std::size_t padding_of(std::string_view text) { return text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0; }
// Groups of four digits without padding.
std::size_t whole_groups(std::string_view text) { return text.size() / 4 - (padding_of(text) ? 1 : 0); }

// The bytes of such groups; all digits seen or-ed together, in which the top one tells of a character that is none.
std::uint8_t decode_groups(const unsigned char* in, std::size_t groups, char* out) {
  std::uint8_t seen = 0;
  for (; groups > 0; --groups, in += 4, out += 3) {
    const std::uint8_t a = kDigits[in[0]], b = kDigits[in[1]], c = kDigits[in[2]], d = kDigits[in[3]];
    seen |= static_cast<std::uint8_t>(a | b | c | d);
    out[0] = static_cast<char>(a << 2 | b >> 4);
    out[1] = static_cast<char>(b << 4 | c >> 2);
    out[2] = static_cast<char>(c << 6 | d);
  }
  return seen;
}

// The last group, of two or three digits before its padding.
bool decode_last(std::string_view digits, std::string& out) {
  std::uint32_t bits = 0;
  for (const char c : digits) {
    const std::uint8_t digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == 0xFF) return false;
    bits = bits << 6 | digit;
  }
  const unsigned unused = digits.size() == 2 ? 4 : 2;
  if (bits & ((1u << unused) - 1)) return false;
  bits >>= unused;
  if (digits.size() == 3) out += static_cast<char>(bits >> 8);
  out += static_cast<char>(bits);
  return true;
}

}  // namespace

std::optional<std::size_t> base64_length(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  return text.size() / 4 * 3 - padding_of(text);
}

bool is_base64(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  const std::size_t whole = whole_groups(text) * 4;
  std::uint8_t seen = 0;
  for (const char c : text.substr(0, whole)) seen |= kDigits[static_cast<unsigned char>(c)];
  std::string last;
  return !(seen & 0x80) && (whole == text.size() || decode_last(text.substr(whole, 4 - padding_of(text)), last));
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t groups = whole_groups(text);
  std::string out(groups * 3, '\0');
  const auto* const in = reinterpret_cast<const unsigned char*>(text.data());
  if (decode_groups(in, groups, out.data()) & 0x80) return std::nullopt;
  if (const std::size_t padding = padding_of(text); padding && !decode_last(text.substr(groups * 4, 4 - padding), out))
    return std::nullopt;
  return out;
}

void append_base64(std::string& out, std::string_view bytes) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = bytes.size() - at;
    const auto byte = [&](std::size_t i) { return i < left ? static_cast<unsigned char>(bytes[at + i]) : 0u; };
    const std::uint32_t bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kAlphabet[bits >> 18];
    out += kAlphabet[bits >> 12 & 63];
    out += left > 1 ? kAlphabet[bits >> 6 & 63] : '=';
    out += left > 2 ? kAlphabet[bits & 63] : '=';
  }
}

}  // namespace nestor::server
