#pragma once
// Points drawn at random.

#include <cstddef>
#include <vector>

#include "server/catalog.h"

namespace nestor::server {

// `count` of the live points with these slots (null: all), or all of them where there are fewer; each as likely as any
// other, in random order. Reads the headers of all these points.
std::vector<index::RowHeader> sample_rows(const OpenCollection& target, const index::SelectedSlots* slots,
                                          std::size_t count);

}  // namespace nestor::server
