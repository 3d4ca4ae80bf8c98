#pragma once
// A table of text cells: aligned for people, CSV for programs.

#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

namespace nestor::bench {

class Table {
 public:
  explicit Table(std::vector<std::string> columns) : columns_(std::move(columns)) {}

  // As many cells as columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // Rows from `first_row` and columns from `first_column` on, that column to the left, the others to the right.
  void print(std::ostream& out, std::size_t first_row = 0, std::size_t first_column = 0) const;
  void write_csv(std::ostream& out) const;
  std::size_t size() const { return rows_.size(); }

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string fixed(double value, int digits);
// "1,234,567"
std::string grouped(double value);

}  // namespace nestor::bench
