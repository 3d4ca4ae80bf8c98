#include "client/cli/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ostream>

#include "index/error.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string fixed(double number, int digits) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, number);
  return buffer.data();
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> units = {"kB", "MB", "GB", "TB", "PB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double number = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; number >= 999.95 && unit + 1 < units.size(); ++unit) number /= 1000;
  return fixed(number, 1) + " " + units[unit];
}

std::string human_seconds(double seconds) {
  if (seconds < 60) return fixed(seconds, 1) + " s";
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  const auto two = [](std::uint64_t part) { return (part < 10 ? "0" : "") + std::to_string(part); };
  if (whole < 3600) return std::to_string(whole / 60) + " min " + two(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + two(whole % 3600 / 60) + " min";
}

std::string join(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (const std::uint32_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

namespace {

// Code points, which is what a terminal shows for the words of a vocabulary.
std::size_t shown_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

template <class Number>
Number parse_number(std::string_view option, std::string_view part, std::string_view whole) {
  Number number = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
  if (part.empty() || error != std::errc() || end != part.data() + part.size()) {
    throw Error(ErrorCode::invalid_argument, std::string(option) + " " + std::string(whole) + ": \"" +
                                                 std::string(part) + "\" is not a whole number");
  }
  return number;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

}  // namespace

TextTable::TextTable(std::vector<std::string> header) {
  for (std::string& title : header) {
    right_aligned_.push_back(title.starts_with('>'));
    if (right_aligned_.back()) title.erase(0, 1);
  }
  rows_.push_back(std::move(header));
}

void TextTable::add(std::vector<std::string> row) {
  row.resize(right_aligned_.size());
  rows_.push_back(std::move(row));
}

void TextTable::print(std::ostream& out, std::string_view indent) const {
  std::vector<std::size_t> widths(right_aligned_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], shown_width(row[i]));
  }
  for (const auto& row : rows_) {
    std::string line(indent);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - shown_width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += right_aligned_[i] ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

std::vector<std::uint32_t> parse_widths(std::string_view option, std::string_view text) {
  std::vector<std::uint32_t> widths;
  for (const std::string_view part : split(text, ','))
    widths.push_back(parse_number<std::uint32_t>(option, part, text));
  return widths;
}

std::vector<index::Stage> parse_stages(std::string_view option, std::string_view text) {
  std::vector<index::Stage> stages;
  for (const std::string_view part : split(text, ',')) {
    const auto numbers = split(part, ':');
    if (numbers.size() != 2) {
      throw Error(ErrorCode::invalid_argument, std::string(option) + " " + std::string(text) + ": \"" +
                                                   std::string(part) + "\" is not WIDTH:SHORTLIST, e.g. 64:100");
    }
    stages.push_back(
        {parse_number<std::uint32_t>(option, numbers[0], text), parse_number<std::uint32_t>(option, numbers[1], text)});
  }
  return stages;
}

RowRange parse_rows(std::string_view option, std::string_view text, std::uint64_t rows) {
  const auto ends = split(text, ':');
  if (ends.size() != 2) {
    throw Error(ErrorCode::invalid_argument,
                std::string(option) + " " + std::string(text) + ": expected FIRST:END, the end excluded, e.g. 0:10");
  }
  RowRange range{0, rows};
  if (!ends[0].empty()) range.first = parse_number<std::uint64_t>(option, ends[0], text);
  if (!ends[1].empty()) range.last = parse_number<std::uint64_t>(option, ends[1], text);
  if (range.first >= range.last || range.last > rows) {
    throw Error(ErrorCode::invalid_argument, std::string(option) + " " + std::string(text) +
                                                 ": not a range of rows inside 0:" + std::to_string(rows));
  }
  return range;
}

}  // namespace nestor::client
