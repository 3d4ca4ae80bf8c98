#include "server/base64.h"

#include <array>
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)
// Eight groups at a time, while they hold digits only: 32 characters give 24 bytes. Returns how many groups it has
// done; leaves the last to decode_groups, since it writes eight bytes more than it has.
//
// A digit's value is its character plus what belongs to its high half: 4 and 5 (A-Z) 191, 6 and 7 (a-z) 185, 3 (0-9) 4;
// '+' and '/' share high half 2 and get 19 and 16, the latter by way of entry 1. Whether a character is a digit at all,
// two tables by its halves say: they have a bit in common where it is none.
__attribute__((target("avx2"))) std::size_t decode_wide(const unsigned char* in, std::size_t groups, char* out) {
  constexpr std::size_t kTogether = 8, kSpare = 3;  // groups
  const auto twice = [](auto... bytes) __attribute__((target("avx2"))) {
    return _mm256_broadcastsi128_si256(_mm_setr_epi8(static_cast<char>(bytes)...));
  };
  const __m256i by_high = twice(16, 16, 1, 2, 4, 8, 4, 8, 16, 16, 16, 16, 16, 16, 16, 16);
  const __m256i by_low = twice(21, 17, 17, 17, 17, 17, 17, 17, 17, 17, 19, 26, 27, 27, 27, 26);
  const __m256i shifts = twice(0, 16, 19, 4, 191, 191, 185, 185, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i order = twice(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i halves = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
  const __m256i low_half = _mm256_set1_epi8(15), slash = _mm256_set1_epi8('/');
  std::size_t done = 0;
  for (; groups - done >= kTogether + kSpare; done += kTogether) {
    const __m256i text = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 4 * done));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), low_half);
    const __m256i low = _mm256_and_si256(text, low_half);
    if (!_mm256_testz_si256(_mm256_shuffle_epi8(by_high, high), _mm256_shuffle_epi8(by_low, low))) break;
    const __m256i entry = _mm256_add_epi8(high, _mm256_cmpeq_epi8(text, slash));
    const __m256i digits = _mm256_add_epi8(text, _mm256_shuffle_epi8(shifts, entry));
    const __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi32(0x01400140));  // 64 a + b
    const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));      // 4096 (64 a + b) + 64 c + d
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(fours, order), halves);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 3 * done), bytes);
  }
  return done;
}

std::size_t decode_fast(const unsigned char* in, std::size_t groups, char* out) {
  static const bool wide = __builtin_cpu_supports("avx2");
  return wide ? decode_wide(in, groups, out) : 0;
}
#else
std::size_t decode_fast(const unsigned char*, std::size_t, char*) { return 0; }
#endif

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
  const std::size_t done = decode_fast(in, groups, out.data());
  if (decode_groups(in + 4 * done, groups - done, out.data() + 3 * done) & 0x80) return std::nullopt;
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
