#pragma once
// The little of HDF5 that ann-benchmarks' files use: matrices of numbers and attributes at the root.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace nestor::bench::ann {

struct FloatTable {
  std::size_t rows = 0, columns = 0;
  std::vector<float> values;  // [rows x columns]
};
struct IntegerTable {
  std::size_t rows = 0, columns = 0;
  std::vector<std::int32_t> values;
};

// Every member throws std::runtime_error naming the file and what was missing.
class Hdf5File {
 public:
  static Hdf5File open(const std::filesystem::path& path);
  static Hdf5File create(const std::filesystem::path& path);  // replaces what is there
  ~Hdf5File();
  Hdf5File(Hdf5File&& other) noexcept;
  Hdf5File& operator=(Hdf5File&&) = delete;

  bool has(const std::string& dataset) const;
  // Any number type is converted. max_rows 0: all.
  FloatTable read_floats(const std::string& dataset, std::size_t max_rows = 0) const;
  IntegerTable read_integers(const std::string& dataset, std::size_t max_rows = 0) const;
  std::string read_text_attribute(const std::string& name) const;

  // columns 0: a list. values.size() is rows * max(columns, 1).
  void write(const std::string& dataset, std::size_t rows, std::size_t columns, std::span<const float> values);
  void write(const std::string& dataset, std::size_t rows, std::size_t columns, std::span<const std::int32_t> values);
  void write_text_attribute(const std::string& name, const std::string& value);
  void write_attribute(const std::string& name, double value);
  void write_attribute(const std::string& name, std::int64_t value);
  void write_attribute(const std::string& name, bool value);

 private:
  Hdf5File(std::int64_t handle, std::filesystem::path path) : handle_(handle), path_(std::move(path)) {}
  void read(const std::string& dataset, std::size_t max_rows, std::int64_t memory_type, std::size_t* rows,
            std::size_t* columns, const std::function<void*(std::size_t)>& allocate) const;
  void write(const std::string& dataset, std::size_t rows, std::size_t columns, std::int64_t type, const void* values);
  void write_scalar(const std::string& name, std::int64_t type, const void* value);

  std::int64_t handle_;
  std::filesystem::path path_;
};

}  // namespace nestor::bench::ann
