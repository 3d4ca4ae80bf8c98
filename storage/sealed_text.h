#pragma once
// Small text files that say which files are in force: some lines, then a line with the XXH3-64 of what stands before it
// as 16 hex digits.

#include <string>
#include <string_view>
#include <vector>

namespace nestor::storage {

// Lines without line ends.
std::string seal_lines(const std::vector<std::string>& lines);

// The lines again, without the checksum; `head` must be the first of them and is left out. Throws Error data_loss when
// the text is not exactly what seal_lines() gave for so many lines behind the head.
std::vector<std::string> unseal_lines(std::string_view text, std::string_view head, std::size_t count);

}  // namespace nestor::storage
