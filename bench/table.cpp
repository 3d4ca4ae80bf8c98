#include "bench/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ostream>

namespace nestor::bench {
namespace {

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

void Table::print(std::ostream& out, std::size_t first_row, std::size_t first_column) const {
  std::vector<std::size_t> widths;
  for (const std::string& column : columns_) widths.push_back(column.size());
  for (std::size_t r = first_row; r < rows_.size(); ++r)
    for (std::size_t c = 0; c < columns_.size(); ++c) widths[c] = std::max(widths[c], rows_[r][c].size());

  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t c = first_column; c < cells.size(); ++c) {
      const std::string padding(widths[c] - cells[c].size(), ' ');
      out << (c == first_column ? cells[c] + padding : "  " + padding + cells[c]);
    }
    out << '\n';
  };
  line(columns_);
  std::size_t total = 0;
  for (std::size_t c = first_column; c < columns_.size(); ++c) total += widths[c] + (c == first_column ? 0 : 2);
  out << std::string(total, '-') << '\n';
  for (std::size_t r = first_row; r < rows_.size(); ++r) line(rows_[r]);
}

void Table::write_csv(std::ostream& out) const {
  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t c = 0; c < cells.size(); ++c) out << (c == 0 ? "" : ",") << csv_cell(cells[c]);
    out << '\n';
  };
  line(columns_);
  for (const auto& row : rows_) line(row);
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string grouped(double value) {
  const std::string digits = fixed(std::abs(std::round(value)), 0);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return value < 0 ? '-' + text : text;
}

}  // namespace nestor::bench
