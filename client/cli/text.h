#pragma once
// Numbers and tables for people, and the small grammars of option values.

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "index/search_types.h"

namespace nestor::client {

std::string with_commas(std::uint64_t number);                // 18000 -> "18,000"
std::string human_bytes(std::uint64_t bytes);                 // "9.2 MB", powers of 1000
std::string human_seconds(double seconds);                    // "3.2 s", "4 min 05 s"
std::string fixed(double number, int digits);                 // "0.571"
std::string join(const std::vector<std::uint32_t>& numbers);  // "32, 64, 256"

// Columns line up; those whose header starts with '>' are right-aligned (the sign is not printed).
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header);
  void add(std::vector<std::string> row);
  void print(std::ostream& out, std::string_view indent = "  ") const;

 private:
  std::vector<bool> right_aligned_;
  std::vector<std::vector<std::string>> rows_;  // the header first
};

// "32,64,256". Throws Error invalid_argument, naming the option.
std::vector<std::uint32_t> parse_widths(std::string_view option, std::string_view text);
// "64:100,256:10": walk at width 64, keep 100, re-rank those at width 256, keep 10.
std::vector<index::Stage> parse_stages(std::string_view option, std::string_view text);

struct RowRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // one past the end
};
// "A:B" as in Python, the end excluded; either side may be left out.
RowRange parse_rows(std::string_view option, std::string_view text, std::uint64_t rows);

}  // namespace nestor::client
