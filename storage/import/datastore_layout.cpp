#include "storage/import/datastore_layout.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <regex>

#include "index/error.h"
#include "index/options.h"
#include "storage/import/knnbox_config.h"
#include "storage/import/npy_reader.h"
#include "storage/import/raw_candidates.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

// N and D as a file's name states them.
struct NamedSize {
  std::string dialect;
  std::uint64_t rows = 0, dim = 0;
  bool half = false;
};

std::optional<std::uint64_t> number(const std::string& digits) {
  if (digits.size() > 18) return std::nullopt;
  return std::stoull(digits);
}

std::optional<NamedSize> size_in_name(const std::string& path) {
  static const std::regex efficient(R"(size(\d+)_embed(\d+))"), transformers(R"(_(\d+)_(\d+)_keys\.npy$)"),
      faiss(R"(_(\d+)_(\d+)(_fp16)?\.mmap$)");
  const std::string name = std::filesystem::path(path).filename().string();
  const bool half = name.find("fp16") != std::string::npos;
  for (const auto& [dialect, pattern] :
       {std::pair{"efficient-knnlm", &efficient}, {"knn-transformers", &transformers}, {"distributed-faiss", &faiss}}) {
    std::smatch found;
    if (!std::regex_search(name, found, *pattern)) continue;
    const auto rows = number(found[1]), dim = number(found[2]);
    if (rows && dim) return NamedSize{dialect, *rows, *dim, half};
  }
  return std::nullopt;
}

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

// The file beside the keys: X_keys.npy -> X_vals.npy, keys.npy -> vals.npy, X.fbin -> X.ibin.
std::string companion(const std::string& keys, const std::string& what) {
  const std::filesystem::path path(keys);
  const std::string name = path.filename().string();
  std::vector<std::string> names;
  if (const auto at = name.rfind("keys."); at != std::string::npos)
    names.push_back(name.substr(0, at) + what + name.substr(at + 4));
  if (what == "vals" && name.ends_with(".fbin")) names.push_back(name.substr(0, name.size() - 5) + ".ibin");
  if (what == "doc_ids" && name.ends_with(".embedded"))
    names.push_back(name.substr(0, name.size() - 9) + ".doc_ids.dat");
  for (const std::string& one : names)
    if (const auto there = path.parent_path() / one; exists(there.string())) return there.string();
  return "";
}

bool has_own_header(const InputFile& file) {
  const std::string& path = file.path();
  if (has_npy_magic(file)) return true;
  return path.ends_with(".fvecs") || path.ends_with(".bvecs") || path.ends_with(".ivecs") || path.ends_with(".fbin") ||
         path.ends_with(".ibin");
}

RowLayout raw_layout(std::uint64_t rows, std::uint64_t columns, ScalarKind kind) {
  RowLayout layout;
  layout.rows = rows;
  layout.columns = columns;
  layout.dimensions = columns == 1 ? 1 : 2;
  layout.kind = kind;
  return layout;
}

// A raw list of one integer per row: its kind follows from its size.
DatastoreFile raw_integers(const std::string& path, std::uint64_t rows, std::optional<ScalarKind> said) {
  const InputFile file(path);
  if (has_own_header(file)) return {path, read_layout(file)};
  std::vector<ScalarKind> fitting;
  for (const ScalarKind kind : {ScalarKind::int16, ScalarKind::int32, ScalarKind::int64})
    if ((!said || *said == kind) && file.size() == rows * size_of(kind)) fitting.push_back(kind);
  if (fitting.size() == 1) return {path, raw_layout(rows, 1, fitting.front())};
  refuse(path + ": " + std::to_string(file.size()) + " bytes are not one integer of 2, 4 or 8 bytes for each of " +
         std::to_string(rows) + " rows" + (said ? " (of " + std::string(to_string(*said)) + ")" : ""));
}

std::string list_of(const std::vector<RawReading>& readings) {
  std::string text;
  for (std::size_t i = 0; i < readings.size() && i < 12; ++i) text += (i ? "; " : "") + describe(readings[i]);
  return text;
}

class Finder {
 public:
  explicit Finder(const DatastoreFiles& files) : files_(files) {}

  DatastoreLayout find() {
    out_.keys.path = files_.keys;
    values_path_ = files_.values;
    std::error_code ignored;
    if (std::filesystem::is_directory(files_.keys, ignored)) {
      find_knnbox();
    } else {
      if (files_.find_companions && values_path_.empty()) values_path_ = companion(files_.keys, "vals");
      const InputFile keys(files_.keys);
      if (has_own_header(keys))
        find_with_header(keys);
      else
        find_raw(keys);
    }
    add_integers(files_.weights, "weights", out_.weights);
    add_integers(files_.documents, "doc_ids", out_.documents);
    return std::move(out_);
  }

 private:
  void find_with_header(const InputFile& keys) {
    out_.dialect = keys.path().ends_with(".fbin") ? "fbin" : has_npy_magic(keys) ? "npy" : "vecs";
    out_.known_by = "header";
    out_.keys.layout = read_layout(keys);
    if (files_.rows && *files_.rows != out_.keys.layout.rows)
      refuse(keys.path() + " holds " + describe(out_.keys.layout) + "; --rows says " + std::to_string(*files_.rows));
    if (files_.dim && *files_.dim != out_.keys.layout.columns)
      refuse(keys.path() + " holds " + describe(out_.keys.layout) + "; --dim says " + std::to_string(*files_.dim));
    if (!values_path_.empty()) out_.values = raw_integers(values_path_, out_.keys.layout.rows, files_.value_kind);
  }

  void find_knnbox() {
    const std::filesystem::path directory(files_.keys);
    out_.dialect = "knn-box";
    out_.known_by = "sidecar";
    bool has_keys = false;
    for (const KnnBoxArray& array : read_knnbox_config((directory / "config.json").string())) {
      const bool is_keys = array.name == "keys", is_values = array.name == "vals";
      if (!is_keys && !is_values) continue;
      DatastoreFile file{(directory / (array.name + ".npy")).string(), {}};
      if (array.shape.empty() || array.shape.size() > 2)
        refuse((directory / "config.json").string() + ": `" + array.name + "` has a shape of " +
               std::to_string(array.shape.size()) + " numbers; expected 1 or 2");
      file.layout = raw_layout(array.shape[0], array.shape.size() == 2 ? array.shape[1] : 1, array.kind);
      check_size(file);
      if (is_keys) {
        file.layout.dimensions = 2;
        out_.keys = file;
        has_keys = true;
      } else if (values_path_.empty()) {
        out_.values = file;
      }
    }
    if (!has_keys) refuse((directory / "config.json").string() + " names no `keys`");
    if (!values_path_.empty()) out_.values = raw_integers(values_path_, out_.keys.layout.rows, files_.value_kind);
  }

  static void check_size(const DatastoreFile& file) {
    const InputFile input(file.path);
    std::uint64_t bytes = 0;
    if (!__builtin_mul_overflow(file.layout.rows, file.layout.columns, &bytes) &&
        !__builtin_mul_overflow(bytes, std::uint64_t{size_of(file.layout.kind)}, &bytes) && bytes == input.size())
      return;
    refuse(file.path + ": the configuration promises " + describe(file.layout) + ", the file holds " +
           std::to_string(input.size()) + " bytes");
  }

  // N and D from flags, then from the name; what is left open is tried against the sizes.
  void find_raw(const InputFile& keys) {
    RawKnowledge known{files_.rows, files_.dim ? std::optional<std::uint64_t>(*files_.dim) : std::nullopt,
                       files_.key_kind, files_.value_kind};
    out_.known_by = known.rows || known.dim ? "flags" : "file sizes";
    out_.dialect = "raw";
    if (const auto named = size_in_name(keys.path())) {
      out_.dialect = named->dialect;
      if (!known.rows && !known.dim) out_.known_by = "file name";
      if (!known.rows) known.rows = named->rows;
      if (!known.dim) known.dim = named->dim;
      if (!known.key_kind && named->half && named->dialect != "knn-transformers") known.key_kind = ScalarKind::float16;
    }
    if (keys.path().ends_with(".embedded") && !known.key_kind) {
      out_.dialect = "RETRO-pytorch";
      known.key_kind = ScalarKind::float32;
    }
    RawSizes sizes{keys.size(), std::nullopt};
    std::optional<DatastoreFile> with_header;  // values that say themselves what they are
    if (!values_path_.empty()) {
      const InputFile values(values_path_);
      if (has_own_header(values)) {
        with_header = DatastoreFile{values_path_, read_layout(values)};
        if (!known.rows) known.rows = with_header->layout.rows;
      } else {
        sizes.values = values.size();
      }
    }
    const RawReading reading = choose(keys, sizes, known);
    out_.keys.layout = raw_layout(reading.rows, reading.dim, reading.keys);
    out_.keys.layout.dimensions = 2;
    if (with_header)
      out_.values = with_header;
    else if (reading.values)
      out_.values = DatastoreFile{values_path_, raw_layout(reading.rows, 1, *reading.values)};
  }

  RawReading choose(const InputFile& keys, const RawSizes& sizes, const RawKnowledge& known) const {
    const auto readings = raw_readings(sizes, known);
    // Nothing known but usual sizes is a guess, however well it fits.
    if (readings.size() == 1 && (known.rows || known.dim)) return readings.front();
    const std::string found = keys.path() + ": " + std::to_string(sizes.keys) + " bytes without a header" +
                              (sizes.values ? ", values of " + std::to_string(*sizes.values) + " bytes" : "");
    if (readings.empty()) {
      const std::string said = (known.rows ? " " + std::to_string(*known.rows) + " rows" : "") +
                               std::string(known.dim ? " " + std::to_string(*known.dim) + " coordinates" : "");
      refuse(found + "; no reading fits" + (said.empty() ? "" : " with" + said) +
             "; say --rows, --dim, --key-type and --value-type as they were when it was written");
    }
    refuse(found + "; it may be: " + list_of(readings) + ". Say which with --rows, --dim, --key-type, --value-type");
  }

  void add_integers(const std::string& said, const std::string& what, std::optional<DatastoreFile>& out) const {
    std::string path = said;
    if (path.empty() && files_.find_companions) path = companion(out_.keys.path, what);
    if (!path.empty()) out = raw_integers(path, out_.keys.layout.rows, std::nullopt);
  }

  const DatastoreFiles& files_;
  std::string values_path_;
  DatastoreLayout out_;
};

void check_rows(const DatastoreLayout& layout, const std::optional<DatastoreFile>& file) {
  if (!file) return;
  if (file->layout.columns != 1)
    refuse(file->path + ": rows of " + std::to_string(file->layout.columns) + " numbers; expected one value per key");
  if (file->layout.rows != layout.keys.layout.rows)
    refuse(file->path + " has " + std::to_string(file->layout.rows) + " values, but " + layout.keys.path + " has " +
           std::to_string(layout.keys.layout.rows) + " rows; expected one value per row");
}

}  // namespace

DatastoreLayout find_datastore_layout(const DatastoreFiles& files) {
  DatastoreLayout layout = Finder(files).find();
  for (const auto* file : {&layout.values, &layout.weights, &layout.documents}) check_rows(layout, *file);
  return layout;
}

}  // namespace nestor::storage
