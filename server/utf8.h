#pragma once
// The one definition, which index/ needs as well.
#include "index/utf8.h"

namespace nestor::server {

using index::utf8_length;

}  // namespace nestor::server
