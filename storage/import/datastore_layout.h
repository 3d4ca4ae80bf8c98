#pragma once
// What the files of a kNN-LM datastore are: most codes of the family write raw memory maps without a header, whose size
// and type stand in the file's name, in a file beside it, or only in the command that wrote them. Found out, in this
// order, from what the user says, a sidecar, the name; and held against the sizes of the files. Whatever leaves more
// than one reading is refused with the readings listed.
//
//   urvashik/knnlm        X_keys.npy [N x D] float32 (or float16 with int16 values), X_vals.npy int64; nothing in the
//   name neulab/retomaton      dstore16_keys.npy float16, dstore16_vals.npy int64; nothing in the name efficient-knnlm
//   X_size{N}_embed{D}[_fp16]_keys.npy, ..._vals.npy int64; merged ones ..._weights.npy int64 knn-transformers
//   dstore_{model}_{N}_{D}_keys.npy float16, ..._vals.npy int32 knn-box               a directory: keys.npy, vals.npy,
//   config.json with shapes and types distributed-faiss     X_{N}_{D}[_fp16].mmap, no values RETRO-pytorch X.embedded
//   float32 (D from the user), X.doc_ids.dat int32 big-ann               X.fbin with N and D as uint32 in front, values
//   X.ibin NumPy, TEXMEX         real .npy (versions 1 to 3), .fvecs, .bvecs
//
// The .npy of the first six rows are raw in spite of their name: what decides is the magic at the start of a file.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/import/row_layout.h"

namespace nestor::storage {

// What the user says; what is left out is found out.
struct DatastoreFiles {
  std::string keys;       // a file, or a knn-box directory
  std::string values;     // empty: the file beside the keys that goes with them, if there is one
  std::string weights;    // the same
  std::string documents;  // one integer per row; the same
  std::optional<std::uint64_t> rows;
  std::optional<std::uint32_t> dim;
  std::optional<ScalarKind> key_kind, value_kind;
  bool find_companions = true;  // look for files beside the keys
};

struct DatastoreFile {
  std::string path;
  RowLayout layout;
};

struct DatastoreLayout {
  std::string dialect;   // "npy", "efficient-knnlm", ...
  std::string known_by;  // where N and D came from: "header", "flags", "sidecar", "file name", "file sizes"
  DatastoreFile keys;
  std::optional<DatastoreFile> values, weights, documents;
};

// Throws Error invalid_argument naming the files, what was found and the readings that are left.
DatastoreLayout find_datastore_layout(const DatastoreFiles& files);

}  // namespace nestor::storage
