#include <algorithm>
#include <deque>
#include <unordered_map>
#include <utility>

#include "index/collection_impl.h"
#include "index/error.h"
#include "index/long_tail.h"
#include "index/payload_check.h"
#include "index/prepared_vector.h"

namespace nestor::index {
namespace {

constexpr std::size_t kTooLong = 4;  // so many long tails, and writes are refused
constexpr std::chrono::seconds kLongestWait{1};

// As push_back would grow it, but now.
void make_room(std::vector<Slot>& slots, std::size_t more) {
  if (slots.capacity() - slots.size() < more) slots.reserve(std::max(slots.size() + more, 2 * slots.capacity()));
}

// The last point of each id, in order.
std::vector<std::size_t> last_of_each_id(std::span<const Point> points) {
  std::unordered_map<PointId, std::size_t, PointIdHash> last;
  for (std::size_t i = 0; i < points.size(); ++i) last[points[i].id] = i;
  std::vector<std::size_t> kept;
  kept.reserve(last.size());
  for (std::size_t i = 0; i < points.size(); ++i)
    if (last[points[i].id] == i) kept.push_back(i);
  return kept;
}

std::vector<PointId> without_repetition(std::span<const PointId> in) {
  std::vector<PointId> ids(in.begin(), in.end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

[[noreturn]] void no_slots_left() {
  throw Error(ErrorCode::resource_exhausted, "the collection has used all of its 4294967295 slots; build it anew");
}

}  // namespace

Collection::Impl::Prepared Collection::Impl::prepare(std::span<const Point> in) const {
  Prepared out;
  out.kept = last_of_each_id(in);
  const std::size_t dim = options.dim;
  out.ids.resize(out.kept.size());
  out.values.resize(out.kept.size());
  out.vectors.resize(out.kept.size() * dim);
  std::vector<float> scratch(dim);
  std::size_t next = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {  // every point is checked, also one that a later one replaces
    const bool keep = next < out.kept.size() && out.kept[next] == i;
    prepare_vector(options, in[i].vector, keep ? out.vectors.data() + next * dim : scratch.data());
    const auto value = check_payload(in[i].id, in[i].payload, in[i].value);
    if (!keep) continue;
    out.ids[next] = in[i].id;
    out.values[next++] = value;
  }
  return out;
}

std::string Collection::Impl::readable_payload(const PointId& id, std::string stored) const {
  constexpr int kSaid = 10;  // points; a log must not fill with what one scroll finds
  const std::string trouble = payload_trouble(stored);
  if (trouble.empty()) return stored;
  if (const int seen = unreadable_payloads++; seen < kSaid)
    say("the stored payload of point " + to_string(id) + " is not the text of a JSON object (" + trouble +
        "); it is served as null, write it anew" + (seen == kSaid - 1 ? "; others are not named any more" : ""));
  return "null";
}

std::vector<Collection::Impl::Before> Collection::Impl::read_replaced(std::span<const Slot> replaced) const {
  std::vector<Before> before(replaced.size());
  for (std::size_t i = 0; i < replaced.size(); ++i)
    if (replaced[i] != kNoSlot) before[i] = {records->header(replaced[i]), records->read_payload(replaced[i])};
  return before;
}

Sequence Collection::Impl::upsert(std::span<const Point> in, const UpsertRules& rules) {
  const Prepared prepared = prepare(in);
  const auto& kept = prepared.kept;
  const std::size_t dim = options.dim;
  wait_for_room();
  std::unique_lock lock(write_mutex);
  if (kept.empty()) return sequence;
  if (kNoSlot - next_slot <= kept.size()) no_slots_left();
  std::vector<Slot> replaced(kept.size());
  records->find(prepared.ids, replaced);
  const bool looks_back = rules.guard || rules.keep_payload;
  const std::vector<Before> before = looks_back ? read_replaced(replaced) : std::vector<Before>(kept.size());
  WriteOperation operation;
  operation.sequence = sequence + 1;
  operation.next_slot = next_slot;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    Point point = in[kept[i]];
    point.value = prepared.values[i];
    const auto& [header, payload] = before[i];
    if (rules.keep_payload && !header)
      throw Error(ErrorCode::not_found, "No point with id " + to_string(point.id) + " found");
    if (rules.guard && !rules.guard(point, header ? &*header : nullptr, payload)) continue;
    if (rules.keep_payload) {
      point.payload = payload;
      point.value = header->value;
    }
    operation.upserts.push_back({point.id, operation.next_slot++, replaced[i],
                                 std::span<const float>(prepared.vectors).subspan(i * dim, dim), point.payload,
                                 point.value});
  }
  if (operation.upserts.empty()) return settle(std::move(lock));
  return commit(operation, std::move(lock));
}

Sequence Collection::Impl::erase(std::span<const PointId> ids_in) {
  const std::vector<PointId> ids = without_repetition(ids_in);
  std::unique_lock lock(write_mutex);
  std::vector<Slot> slots(ids.size());
  records->find(ids, slots);
  WriteOperation operation;
  operation.sequence = sequence + 1;
  operation.next_slot = next_slot;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (slots[i] != kNoSlot) operation.erases.push_back({ids[i], slots[i]});
  if (operation.erases.empty()) return settle(std::move(lock));
  return commit(operation, std::move(lock));
}

// Generations and the tail hold values but not payloads. So a point whose value changes is written anew, with the
// vector it has, and the others keep their slot.
Sequence Collection::Impl::update_payloads(std::span<const PointId> ids_in, const PayloadChange& change) {
  const std::vector<PointId> ids = without_repetition(ids_in);
  std::unique_lock lock(write_mutex);
  std::vector<Slot> slots(ids.size());
  records->find(ids, slots);
  WriteOperation operation;
  operation.sequence = sequence + 1;
  operation.next_slot = next_slot;
  std::deque<std::string> texts;  // elements stay in place
  std::deque<std::vector<float>> vectors;
  for (const Slot slot : slots) {
    const auto header = slot == kNoSlot ? std::nullopt : records->header(slot);
    if (!header) continue;
    auto update = change(*header, records->read_payload(slot));
    if (!update) continue;
    update->value = check_payload(header->id, update->payload, update->value);
    const std::string& text = texts.emplace_back(std::move(update->payload));
    if (update->value == header->value) {
      operation.payloads.push_back({slot, text, update->value});
      continue;
    }
    if (operation.next_slot == kNoSlot - 1) no_slots_left();
    auto& vector = vectors.emplace_back(options.dim);
    if (!records->read_vector(slot, vector))
      throw Error(ErrorCode::data_loss, "point " + to_string(header->id) + " has lost its vector");
    operation.upserts.push_back({header->id, operation.next_slot++, slot, vector, text, update->value});
  }
  if (operation.upserts.empty() && operation.payloads.empty()) return settle(std::move(lock));
  return commit(operation, std::move(lock));
}

void Collection::Impl::wait_for_room() {
  const auto length = [this](std::size_t& limit) {
    const auto v = current();
    limit = long_tail(v->generation->rows());
    return v->tail->size();
  };
  std::size_t limit = 0;
  if (length(limit) < limit || !building) return;
  std::unique_lock lock(room_mutex);
  room.wait_for(lock, kLongestWait, [&] { return length(limit) < limit || !building; });
  if (const std::size_t waiting = length(limit); building && waiting >= kTooLong * limit)
    throw Error(ErrorCode::unavailable, std::to_string(waiting) + " rows wait to be indexed, the limit is " +
                                            std::to_string(kTooLong * limit) +
                                            "; nothing was written, try again later");
}

Sequence Collection::Impl::commit(const WriteOperation& operation, std::unique_lock<std::mutex> lock) {
  current()->tail->reserve(operation.upserts.size());
  dead->reserve(operation.next_slot);
  if (changes) {
    make_room(changes->died, operation.upserts.size() + operation.erases.size());
    make_room(changes->new_payloads, operation.payloads.size());
  }
  records->write(operation);
  apply(operation);
  return settle(std::move(lock));
}

Sequence Collection::Impl::settle(std::unique_lock<std::mutex> lock) {
  const std::shared_ptr<RecordStore> written_to = records;
  const Sequence written = sequence;
  lock.unlock();
  written_to->sync(written);  // the durable point
  return written;
}

void Collection::Impl::apply(const WriteOperation& operation) {
  const auto now = current();
  for (const UpsertRecord& u : operation.upserts) {
    now->tail->append({u.slot, PointEntry::make(u.id, operation.sequence), u.value.value_or(kNoValue)}, u.vector);
  }
  now->tail->publish();
  std::uint64_t added = operation.upserts.size();
  for (const UpsertRecord& u : operation.upserts)
    if (u.replaced != kNoSlot) {
      bury(u.replaced);
      --added;
    }
  for (const EraseRecord& e : operation.erases) bury(e.slot);
  if (changes)
    for (const PayloadRecord& p : operation.payloads) changes->new_payloads.push_back(p.slot);
  points += added;
  points -= operation.erases.size();
  sequence = operation.sequence;
  if (!operation.payloads.empty()) payload_sequence = sequence;
  last_sequence = sequence;
  next_slot = operation.next_slot;
  next_slot_now = next_slot;
}

void Collection::Impl::bury(Slot slot) {
  dead->insert(slot);
  if (changes) changes->died.push_back(slot);
}

}  // namespace nestor::index
