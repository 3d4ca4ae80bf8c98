#include "client/cli/setting_text.h"

#include <charconv>
#include <limits>
#include <string_view>
#include <utility>

#include "index/error.h"

namespace nestor::client {
namespace {

using index::Error;
using index::ErrorCode;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr Unit kByteUnits[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
constexpr Unit kTimeUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};

[[noreturn]] void refuse(const std::string& text, const std::string& expected) {
  throw Error(ErrorCode::invalid_argument, "\"" + text + "\" is not " + expected);
}

// Digits, then a unit or nothing.
template <std::size_t N>
std::uint64_t read_with_unit(const std::string& text, const Unit (&units)[N], std::uint64_t without,
                             const std::string& expected) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (code != std::errc()) refuse(text, expected);
  std::uint64_t factor = rest == end ? without : 0;
  for (const Unit& unit : units)
    if (std::string_view(rest, static_cast<std::size_t>(end - rest)) == unit.name) factor = unit.factor;
  if (factor == 0 || number > std::numeric_limits<std::int64_t>::max() / factor) refuse(text, expected);
  return number * factor;
}

}  // namespace

std::uint64_t read_number(const std::string& text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (code != std::errc() || rest != end || number < low || number > high)
    refuse(text, "a number from " + std::to_string(low) + " to " + std::to_string(high));
  return number;
}

double read_share(const std::string& text) {
  double share = -1;
  const char* const end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, share);
  if (code != std::errc() || rest != end || !(share >= 0 && share <= 1)) refuse(text, "a share from 0 to 1");
  return share;
}

std::string show_share(double share) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, share).ptr};
}

std::size_t read_bytes(const std::string& text) {
  return read_with_unit(text, kByteUnits, 1, "a size such as 4096, 16KiB, 32MiB or 1GiB");
}

std::string show_bytes(std::size_t bytes) {
  for (const Unit& unit : kByteUnits)
    if (bytes != 0 && bytes % unit.factor == 0) return std::to_string(bytes / unit.factor) + std::string(unit.name);
  return std::to_string(bytes);
}

std::chrono::milliseconds read_duration(const std::string& text) {
  const std::string expected = "a time such as 250ms, 75s or 2m";
  const std::uint64_t milliseconds = read_with_unit(text, kTimeUnits, 1000, expected);
  if (milliseconds == 0 || milliseconds > 30ull * 24 * 3'600'000) refuse(text, expected + ", up to 30 days");
  return std::chrono::milliseconds(milliseconds);
}

std::string show_duration(std::chrono::milliseconds duration) {
  const auto count = duration.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + "s" : std::to_string(count) + "ms";
}

bool read_flag(const std::string& text) {
  for (const char* yes : {"true", "yes", "on", "1"})
    if (text == yes) return true;
  for (const char* no : {"false", "no", "off", "0"})
    if (text == no) return false;
  refuse(text, "true or false");
}

}  // namespace nestor::client
