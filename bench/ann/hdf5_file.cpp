#include "bench/ann/hdf5_file.h"

#include <hdf5.h>

#include <algorithm>
#include <stdexcept>

namespace nestor::bench::ann {
namespace {

static_assert(sizeof(hid_t) == sizeof(std::int64_t), "HDF5 1.10 and later have 64-bit handles");

// Closes a handle with the function of its kind.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw std::runtime_error(path.string() + ": " + what);
}

}  // namespace

Hdf5File Hdf5File::open(const std::filesystem::path& path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // we say what is wrong ourselves
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id < 0) fail(path, "cannot be opened as an HDF5 file");
  return {id, path};
}

Hdf5File Hdf5File::create(const std::filesystem::path& path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  if (id < 0) fail(path, "cannot be written");
  return {id, path};
}

Hdf5File::~Hdf5File() {
  if (handle_ >= 0) H5Fclose(handle_);
}

Hdf5File::Hdf5File(Hdf5File&& other) noexcept : handle_(other.handle_), path_(std::move(other.path_)) {
  other.handle_ = -1;
}

bool Hdf5File::has(const std::string& dataset) const { return H5Lexists(handle_, dataset.c_str(), H5P_DEFAULT) > 0; }

void Hdf5File::read(const std::string& dataset, std::size_t max_rows, std::int64_t memory_type, std::size_t* rows,
                    std::size_t* columns, const std::function<void*(std::size_t)>& allocate) const {
  const Handle data(H5Dopen2(handle_, dataset.c_str(), H5P_DEFAULT), H5Dclose);
  if (!data.ok()) fail(path_, "no dataset '" + dataset + "'");
  const Handle space(H5Dget_space(data.get()), H5Sclose);
  hsize_t shape[2] = {0, 1};
  const int dimensions = H5Sget_simple_extent_ndims(space.get());
  if (dimensions < 1 || dimensions > 2) fail(path_, "'" + dataset + "' is neither a list nor a matrix");
  H5Sget_simple_extent_dims(space.get(), shape, nullptr);
  if (max_rows != 0) shape[0] = std::min<hsize_t>(shape[0], max_rows);
  *rows = shape[0];
  *columns = shape[1];
  void* out = allocate(shape[0] * shape[1]);
  const hsize_t start[2] = {0, 0};
  const Handle memory(H5Screate_simple(dimensions, shape, nullptr), H5Sclose);
  if (H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, shape, nullptr) < 0 ||
      H5Dread(data.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, out) < 0)
    fail(path_, "'" + dataset + "' cannot be read as numbers");
}

FloatTable Hdf5File::read_floats(const std::string& dataset, std::size_t max_rows) const {
  FloatTable table;
  read(dataset, max_rows, H5T_NATIVE_FLOAT, &table.rows, &table.columns, [&](std::size_t n) {
    table.values.resize(n);
    return table.values.data();
  });
  return table;
}

IntegerTable Hdf5File::read_integers(const std::string& dataset, std::size_t max_rows) const {
  IntegerTable table;
  read(dataset, max_rows, H5T_NATIVE_INT32, &table.rows, &table.columns, [&](std::size_t n) {
    table.values.resize(n);
    return table.values.data();
  });
  return table;
}

std::string Hdf5File::read_text_attribute(const std::string& name) const {
  const Handle attribute(H5Aopen(handle_, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute.ok()) fail(path_, "no attribute '" + name + "'");
  const Handle type(H5Aget_type(attribute.get()), H5Tclose);
  if (H5Tget_class(type.get()) != H5T_STRING) fail(path_, "attribute '" + name + "' is not a text");
  if (H5Tis_variable_str(type.get()) > 0) {  // what h5py writes
    const Handle memory(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(memory.get(), H5T_VARIABLE);
    H5Tset_cset(memory.get(), H5Tget_cset(type.get()));
    char* text = nullptr;
    if (H5Aread(attribute.get(), memory.get(), &text) < 0 || text == nullptr)
      fail(path_, "attribute '" + name + "' cannot be read");
    const std::string value = text;
    H5free_memory(text);
    return value;
  }
  std::string value(H5Tget_size(type.get()), '\0');
  if (H5Aread(attribute.get(), type.get(), value.data()) < 0) fail(path_, "attribute '" + name + "' cannot be read");
  return value.substr(0, value.find('\0'));
}

void Hdf5File::write(const std::string& dataset, std::size_t rows, std::size_t columns, std::int64_t type,
                     const void* values) {
  const hsize_t shape[2] = {rows, columns};
  const Handle space(H5Screate_simple(columns == 0 ? 1 : 2, shape, nullptr), H5Sclose);
  const Handle data(H5Dcreate2(handle_, dataset.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                    H5Dclose);
  if (!data.ok() || H5Dwrite(data.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
    fail(path_, "'" + dataset + "' cannot be written");
}

void Hdf5File::write(const std::string& dataset, std::size_t rows, std::size_t columns, std::span<const float> values) {
  write(dataset, rows, columns, H5T_NATIVE_FLOAT, values.data());
}

void Hdf5File::write(const std::string& dataset, std::size_t rows, std::size_t columns,
                     std::span<const std::int32_t> values) {
  write(dataset, rows, columns, H5T_NATIVE_INT32, values.data());
}

void Hdf5File::write_scalar(const std::string& name, std::int64_t type, const void* value) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle attribute(H5Acreate2(handle_, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (!attribute.ok() || H5Awrite(attribute.get(), type, value) < 0)
    fail(path_, "attribute '" + name + "' cannot be written");
}

void Hdf5File::write_text_attribute(const std::string& name, const std::string& value) {
  const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  const char* text = value.c_str();
  write_scalar(name, type.get(), &text);
}

void Hdf5File::write_attribute(const std::string& name, double value) { write_scalar(name, H5T_NATIVE_DOUBLE, &value); }

void Hdf5File::write_attribute(const std::string& name, std::int64_t value) {
  write_scalar(name, H5T_NATIVE_INT64, &value);
}

// h5py stores a bool as an enumeration of one byte with these two names.
void Hdf5File::write_attribute(const std::string& name, bool value) {
  const Handle type(H5Tenum_create(H5T_NATIVE_INT8), H5Tclose);
  const std::int8_t no = 0, yes = 1, stored = value ? 1 : 0;
  H5Tenum_insert(type.get(), "FALSE", &no);
  H5Tenum_insert(type.get(), "TRUE", &yes);
  write_scalar(name, type.get(), &stored);
}

}  // namespace nestor::bench::ann
