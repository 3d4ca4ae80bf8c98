#include "server/filter_selection.h"

#include <bit>

#include "server/fields.h"
#include "server/filter_reader.h"
#include "server/payload.h"

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
  const auto value = field(request, "filter");
  return value ? read_filter(*value, *target.schema, limits) : nullptr;
}

bool accepts(const Filter& filter, const index::PointId& id, std::string_view payload,
             std::optional<std::uint32_t> value) {
  const std::string_view object = payload.empty() ? std::string_view("{}") : payload;
  const JsonDocument document(object, kStoredDepth);
  if (!value || document.root().find(kTokenField)) return filter.accepts(id, document.root());
  const std::string with_token = with_token_field(document.root(), *value);
  return filter.accepts(id, JsonDocument(with_token, kStoredDepth).root());
}

index::SelectedSlots select_slots(const OpenCollection& target, const Filter& filter) {
  return target->select_slots(choice_of(filter));
}

std::vector<index::PointId> select_ids(const OpenCollection& target, const Filter& filter) {
  return target->select_ids(choice_of(filter));
}

std::uint64_t count_points(const OpenCollection& target, const Filter& filter) {
  std::uint64_t count = 0;
  for (const std::uint64_t word : select_slots(target, filter)) count += static_cast<std::uint64_t>(std::popcount(word));
  return count;
}

}  // namespace nestor::server
