#pragma once
// Import files written by hand, byte by byte, in a directory of their own.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "index/error.h"
#include "tests/support/temporary_directory.h"

namespace nestor::tests {

class ImportDirectory {
 public:
  std::string path(const std::string& name) const { return directory_ / name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    write_file(path(name), bytes);
    return path(name);
  }

 private:
  TemporaryDirectory directory_;
};

template <class Number>
std::string bytes_of(const std::vector<Number>& numbers) {
  std::string bytes(numbers.size() * sizeof(Number), '\0');
  if (!numbers.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

inline std::string little_endian(std::uint64_t number, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i) & 0xFF);
  return text;
}

// Magic, version, length, the dict literal padded as NumPy pads it, then the data.
inline std::string npy(const std::string& dict, const std::string& data, int major = 1) {
  const std::size_t preamble = major == 1 ? 10 : 12;
  std::string header = dict;
  while ((preamble + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  return std::string("\x93NUMPY") + static_cast<char>(major) + '\0' + little_endian(header.size(), major == 1 ? 2 : 4) +
         header + data;
}

inline std::string dict(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

// The message of the Error that `action` throws, "" when it throws none. Other exceptions pass.
template <class Action>
std::string refusal(Action action, index::ErrorCode code = index::ErrorCode::invalid_argument) {
  try {
    action();
  } catch (const index::Error& error) {
    return error.code() == code ? error.what() : "wrong code: " + std::string(error.what());
  }
  return "";
}

}  // namespace nestor::tests
