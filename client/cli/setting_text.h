#pragma once
// How settings are written: "32MiB", "75s", "yes". Each reader throws Error invalid_argument with what it expected.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace nestor::client {

// Digits only, within the range.
std::uint64_t read_number(const std::string& text, std::uint64_t low, std::uint64_t high);
// "4096", "16KiB", "32MiB", "1GiB".
std::size_t read_bytes(const std::string& text);
std::string show_bytes(std::size_t bytes);
// "250ms", "75s", "2m", "75" (seconds); at least one millisecond.
std::chrono::milliseconds read_duration(const std::string& text);
std::string show_duration(std::chrono::milliseconds duration);
// A share from 0 to 1: "0.002".
double read_share(const std::string& text);
std::string show_share(double share);
// true, yes, on, 1, false, no, off, 0.
bool read_flag(const std::string& text);

}  // namespace nestor::client
