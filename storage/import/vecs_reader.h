#pragma once
// The .fvecs, .bvecs and .ivecs of the TEXMEX sets (corpus-texmex.irisa.fr): every row is its length
// as a little-endian int32, then that many float32, uint8 or int32.

#include "storage/import/input_file.h"
#include "storage/import/row_layout.h"

namespace nestor::storage {

// The kind follows from the file's name. Every row must be as long as the first one; here the first
// row and the file's size are checked, the other rows' lengths as they are read.
// Throws Error invalid_argument naming the file, what was found and what is expected.
RowLayout read_vecs_layout(const InputFile& file);

}  // namespace nestor::storage
