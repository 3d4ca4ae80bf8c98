#pragma once
// Integers as bytes. Little-endian inside records; big-endian inside keys, so that bytewise order is numeric order.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include "index/error.h"

namespace nestor::storage {

// Vectors and generation sections are copied to disk as they lie in memory.
static_assert(std::endian::native == std::endian::little, "Nestor's files are little-endian");

template <std::unsigned_integral T>
void store_little(char* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

template <std::unsigned_integral T>
T load_little(const char* in) {
  T value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

template <std::unsigned_integral T>
void store_big(char* out, T value) {
  for (std::size_t i = sizeof value; i-- > 0;) {
    out[i] = static_cast<char>(value & 0xFF);
    if constexpr (sizeof value > 1) value >>= 8;
  }
}

template <std::unsigned_integral T>
T load_big(const char* in) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) value = static_cast<T>(value << 8 | static_cast<unsigned char>(in[i]));
  return value;
}

template <std::unsigned_integral T>
void append_little(std::string& out, T value) {
  char bytes[sizeof value];
  store_little(bytes, value);
  out.append(bytes, sizeof value);
}

// Reads a record front to back; running past its end throws Error data_loss naming the record.
class ByteReader {
 public:
  ByteReader(std::string_view bytes, std::string_view record) : rest_(bytes), record_(record) {}

  template <std::unsigned_integral T>
  T little() {
    return load_little<T>(take(sizeof(T)).data());
  }

  std::string_view take(std::size_t count) {
    if (count > rest_.size())
      throw index::Error(index::ErrorCode::data_loss, std::string(record_) + " is cut short: " + std::to_string(count) +
                                                          " more bytes expected, " + std::to_string(rest_.size()) +
                                                          " left");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::size_t left() const { return rest_.size(); }
  void expect_end() const {
    if (!rest_.empty())
      throw index::Error(index::ErrorCode::data_loss,
                         std::string(record_) + " has " + std::to_string(rest_.size()) + " bytes too many");
  }

 private:
  std::string_view rest_;
  std::string_view record_;
};

}  // namespace nestor::storage
