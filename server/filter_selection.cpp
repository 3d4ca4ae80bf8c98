#include "server/filter_selection.h"

#include <bit>

#include "server/fields.h"
#include "server/filter_reader.h"
#include "server/term_selection.h"

namespace nestor::server {
namespace {

index::RowChoice choice_of(const Filter& filter) {
  index::RowChoice choice;
  choice.accepts = [&filter](const index::RowHeader& row, std::string_view payload) {
    return accepts(filter, row.id, payload, row.value);
  };
  choice.reads_payload = filter.reads_payload();
  choice.among = filter.candidates();
  return choice;
}

}  // namespace

std::shared_ptr<const Filter> read_filter_field(const JsonValue& request, const OpenCollection& target,
                                                const RequestLimits& limits) {
  return read_filter(request, "filter", target, limits);
}

std::shared_ptr<const Filter> read_filter(const JsonValue& request, std::string_view name, const OpenCollection& target,
                                          const RequestLimits& limits) {
  const auto value = field(request, name);
  return value ? read_filter(*value, *target.schema, limits) : nullptr;
}

void for_each_payload(const OpenCollection& target, const index::SelectedSlots* slots,
                      const PayloadVisit& visit) {
  index::RowChoice choice;
  choice.within = slots;
  choice.accepts = [&](const index::RowHeader& row, std::string_view payload) {
    with_payload(payload, row.value, [&](const JsonValue& object) { visit(row, object); });
    return false;  // what is wanted has been seen
  };
  target->select_ids(choice);
}

void for_each_row(const OpenCollection& target, const index::SelectedSlots* slots,
                  const std::function<void(const index::RowHeader&)>& visit) {
  index::RowChoice choice;
  choice.within = slots;
  choice.reads_payload = false;
  choice.accepts = [&](const index::RowHeader& row, std::string_view) {
    visit(row);
    return false;
  };
  target->select_ids(choice);
}

bool accepts(const Filter& filter, const index::PointId& id, std::string_view payload,
             std::optional<std::uint32_t> value) {
  return with_payload(payload, value, [&](const JsonValue& object) { return filter.accepts(id, object); });
}

index::RowChoice choice_of(std::vector<index::PointId> ids) {
  index::RowChoice choice;
  choice.accepts = [](const index::RowHeader&, std::string_view) { return true; };
  choice.reads_payload = false;
  choice.among = std::move(ids);
  return choice;
}

index::SelectedSlots select_slots(const OpenCollection& target, const Filter& filter) {
  const bool indexed = target.indexes && !target.indexes->payload_indexes().empty();
  if (!indexed || !filter.reads_payload()) return target->select_slots(choice_of(filter));
  const auto terms = target.indexes->read_terms();
  const index::SelectedSlots live = target->live_slots(terms->next_slot());
  // A compaction between the two reads numbers the slots of one of them anew.
  if (terms->numbering() != live.numbering) return target->select_slots(choice_of(filter));
  Selected found = select_by_terms(filter, target, *terms, live);
  subtract(found.possible, found.certain);
  if (!any_slot(found.possible)) return {std::move(found.certain), live.numbering};
  const index::SelectedSlots possible{std::move(found.possible), live.numbering};
  index::RowChoice choice = choice_of(filter);
  choice.among.reset();
  choice.within = &possible;
  index::SelectedSlots rest = target->select_slots(choice);
  if (rest.numbering != live.numbering) return target->select_slots(choice_of(filter));
  unite(rest, found.certain);
  return rest;
}

std::vector<index::PointId> select_ids(const OpenCollection& target, const Filter& filter) {
  if (!target.indexes || target.indexes->payload_indexes().empty() || !filter.reads_payload())
    return target->select_ids(choice_of(filter));
  const auto slots = select_slots(target, filter);
  index::RowChoice choice;
  choice.accepts = [](const index::RowHeader&, std::string_view) { return true; };
  choice.reads_payload = false;
  choice.within = &slots;
  return target->select_ids(choice);
}

std::uint64_t count_points(const OpenCollection& target, const Filter& filter) {
  std::uint64_t count = 0;
  for (const std::uint64_t word : select_slots(target, filter))
    count += static_cast<std::uint64_t>(std::popcount(word));
  return count;
}

}  // namespace nestor::server
