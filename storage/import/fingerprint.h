#pragma once
// A mark by which a file is known again without reading all of it.

#include <string>

#include "storage/import/input_file.h"

namespace nestor::storage {

// XXH3-64 over the size and up to 256 blocks of 64 KiB spread evenly, first and last included; hexadecimal. A file of
// up to 16 MiB is read whole.
std::string fingerprint(const InputFile& file);

}  // namespace nestor::storage
