#include "index/row_reader.h"

#include <algorithm>
#include <string>

#include "index/distance.h"
#include "index/error.h"
#include "index/prepared_vector.h"
#include "index/view_search.h"

namespace nestor::index {
namespace {

constexpr std::size_t kAhead = 4;  // rows sent for while one is compared: ids lie anywhere

void prefetch_row(const RowMatrix& matrix, std::size_t row) {
  const std::byte* p = matrix.row(row);
  const std::size_t bytes =
      std::min<std::size_t>(matrix.dim * (matrix.scalar_type == ScalarType::float32 ? 4 : 2), 1024);
  for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(p + b);
}

}  // namespace

RowReader::RowReader(std::shared_ptr<const View> view, const CollectionOptions& options)
    : view_(std::move(view)), options_(options), dead_(*view_->dead), records_(*view_->records) {}

std::uint64_t RowReader::numbering() const { return view_->numbering(); }

// A datastore numbers its rows as they come, so row n of the generation is mostly point n, and the tail goes on from
// there. A wrong guess costs two reads.
std::optional<RowReader::Place> RowReader::guess(std::uint64_t number) const {
  const PointId id = PointId::number(number);
  const Generation& generation = *view_->generation;
  if (number < generation.rows()) {
    const auto row = static_cast<std::uint32_t>(number);
    const Slot slot = generation.slot_of(row);
    if (generation.point(row).id() == id && !dead_.contains(slot)) return Place{Place::In::generation, row, slot};
  }
  const Tail& tail = *view_->tail;
  const std::size_t size = tail.size();
  if (size == 0) return std::nullopt;
  const PointId first = tail.row(0).point.id();
  if (first.is_uuid || number < first.low || number - first.low >= size) return std::nullopt;
  const auto position = static_cast<std::uint32_t>(number - first.low);
  const TailRow& row = tail.row(position);
  if (row.point.id() != id || dead_.contains(row.slot)) return std::nullopt;
  return Place{Place::In::tail, position, row.slot};
}

RowReader::Place RowReader::place_of_slot(Slot slot) const {
  const auto slots = view_->generation->slots();
  if (slot < view_->generation->next_slot()) {
    const auto at = std::lower_bound(slots.begin(), slots.end(), slot);
    if (at != slots.end() && *at == slot)
      return {Place::In::generation, static_cast<std::uint32_t>(at - slots.begin()), slot};
  }
  const Tail& tail = *view_->tail;
  std::size_t low = 0, high = tail.size();  // slots ascend in the tail as well
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (tail.row(middle).slot < slot)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < tail.size() && tail.row(low).slot == slot) return {Place::In::tail, static_cast<std::uint32_t>(low), slot};
  return {Place::In::records, 0, slot};
}

RowReader::Place RowReader::place_of(const PointId& id) const {
  if (!id.is_uuid)
    if (const auto place = guess(id.low)) return *place;
  Slot slot = kNoSlot;
  records_.find({&id, 1}, {&slot, 1});
  return slot == kNoSlot ? Place{} : place_of_slot(slot);
}

Slot RowReader::find(const PointId& id) const { return place_of(id).slot; }

std::vector<float> RowReader::distances(std::span<const float> query, std::span<const PointId> ids) const {
  if (query.size() != options_.dim)
    throw Error(ErrorCode::invalid_argument, "Vector dimension error: expected dim: " + std::to_string(options_.dim) +
                                                 ", got " + std::to_string(query.size()));
  const std::vector<float> values = query_values(options_, query);
  const ExactDistance distance(options_.metric, values.data(), options_.dim, options_.dim,
                               options_.scalar_type == ScalarType::float16);
  const RowMatrix& matrix = view_->generation->matrix();
  std::vector<Place> places;
  places.reserve(ids.size());
  for (const PointId& id : ids) places.push_back(place_of(id));
  std::vector<float> out(ids.size(), std::numeric_limits<float>::infinity()), scratch;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (i + kAhead < places.size() && places[i + kAhead].in == Place::In::generation)
      prefetch_row(matrix, places[i + kAhead].number);
    switch (places[i].in) {
      case Place::In::nowhere: break;
      case Place::In::generation: out[i] = distance(matrix, places[i].number); break;
      case Place::In::tail: out[i] = distance(view_->tail->vector(places[i].number)); break;
      case Place::In::records:
        scratch.resize(options_.dim);
        if (records_.read_vector(places[i].slot, scratch)) out[i] = distance(scratch.data());
        break;
    }
  }
  return out;
}

std::vector<float> RowReader::vectors(std::span<const PointId> ids) const {
  const std::size_t dim = options_.dim;
  const RowMatrix& matrix = view_->generation->matrix();
  std::vector<float> out(ids.size() * dim);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::span<float> row = std::span(out).subspan(i * dim, dim);
    const Place place = place_of(ids[i]);
    bool found = place.in != Place::In::nowhere;
    if (place.in == Place::In::generation && matrix.scalar_type == ScalarType::float16)
      kernels().f32_from_f16(reinterpret_cast<const std::uint16_t*>(matrix.row(place.number)), row.data(), dim);
    else if (place.in == Place::In::generation)
      std::copy_n(reinterpret_cast<const float*>(matrix.row(place.number)), dim, row.data());
    else if (place.in == Place::In::tail)
      std::copy_n(view_->tail->vector(place.number), dim, row.data());
    else if (place.in == Place::In::records)
      found = records_.read_vector(place.slot, row);
    if (!found) throw Error(ErrorCode::not_found, "point " + to_string(ids[i]) + " doesn't exist");
  }
  return out;
}

std::vector<std::optional<std::uint32_t>> RowReader::values(std::span<const PointId> ids) const {
  std::vector<std::optional<std::uint32_t>> out(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Place place = place_of(ids[i]);
    std::uint32_t value = kNoValue;
    if (place.in == Place::In::generation) value = view_->generation->value(place.number);
    if (place.in == Place::In::tail) value = view_->tail->row(place.number).value;
    if (place.in == Place::In::records)
      if (const auto header = records_.header(place.slot)) value = header->value.value_or(kNoValue);
    if (value != kNoValue) out[i] = value;
  }
  return out;
}

}  // namespace nestor::index
