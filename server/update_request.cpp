#include "server/update_request.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/payload_edit.h"
#include "server/point_ids.h"
#include "server/protocol.h"
#include "server/upsert_request.h"

namespace nestor::server {
namespace {

// A filter can choose more points than one write of the store should hold.
constexpr std::size_t kPointsAtOnce = 100'000;

// `points`, or those that meet `filter`.
class Selection {
 public:
  Selection(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits) : target_(target) {
    expect_object(body, "body");
    const auto points = field(body, "points");
    filter_ = read_filter_field(body, target, limits);
    if (points.has_value() == (filter_ != nullptr)) format_error("expected either `points` or `filter`");
    if (points) ids_ = read_ids(*points, "points", limits.points);
  }

  const Filter* filter() const { return filter_.get(); }

  void expect_all_exist() const {
    if (filter_) return;
    const auto any = [](const index::RowHeader&, std::string_view) { return true; };
    const auto found = target_->select_ids({any, false, ids_});
    for (const index::PointId& id : ids_)
      if (!std::binary_search(found.begin(), found.end(), id))
        throw HttpError(404, "Not found: No point with id " + index::to_string(id) + " found");
  }

  template <typename Write>
  index::Sequence write(const Write& write_some) const {
    const auto ids = filter_ ? select_ids(target_, *filter_) : ids_;
    index::Sequence sequence = target_->info().sequence;
    for (std::size_t first = 0; first < ids.size(); first += kPointsAtOnce)
      sequence = write_some(std::span(ids).subspan(first, std::min(kPointsAtOnce, ids.size() - first)));
    return sequence;
  }

 private:
  const OpenCollection& target_;
  std::vector<index::PointId> ids_;
  std::shared_ptr<const Filter> filter_;
};

PayloadEdit read_edit(std::string_view name, const JsonValue& body) {
  PayloadEdit edit;
  if (name == "clear_payload") return edit;
  if (name == "delete_payload") {
    edit.kind = PayloadEdit::Kind::remove_keys;
    const JsonValue keys = required_field(body, "keys");
    expect_array(keys, "keys");
    for (const JsonValue& key : keys.items()) {
      if (!key.is_string()) wrong_type(key, "keys", "a payload key (a string)");
      edit.keys.push_back(parse_field_path(*key.as_string()));
    }
    return edit;
  }
  const bool merges = name == "set_payload";
  edit.kind = merges ? PayloadEdit::Kind::merge : PayloadEdit::Kind::replace;
  const JsonValue payload = required_field(body, "payload");
  expect_object(payload, "payload");
  edit.payload = payload.text();
  if (!merges) refuse_fields(body, {"key"});
  if (field(body, "key")) edit.key = path_field(body, "key");
  return edit;
}

Update payload_update(const OpenCollection& target, Selection selection, PayloadEdit edit) {
  return [&target, selection = std::move(selection), edit = std::move(edit)] {
    selection.expect_all_exist();
    const auto change = [&](const index::RowHeader& row,
                            std::string_view payload) -> std::optional<index::PayloadUpdate> {
      // Another writer may have been faster since the filter chose.
      if (selection.filter() && !accepts(*selection.filter(), row.id, payload, row.value)) return std::nullopt;
      return edit.apply(payload, row.value);
    };
    return selection.write([&](std::span<const index::PointId> ids) { return target->update_payloads(ids, change); });
  };
}

}  // namespace

Update read_update(std::string_view name, const JsonValue& body, const OpenCollection& target,
                   const RequestLimits& limits) {
  if (name == "upsert") {
    const auto request = std::make_shared<const UpsertRequest>(body, target, limits);
    return [&target, request] { return target->upsert(request->points(), request->rules()); };
  }
  if (name == "update_vectors") {
    const auto request = std::make_shared<const UpsertRequest>(UpsertRequest::of_vectors(body, target, limits));
    return [&target, request] { return target->upsert(request->points(), request->rules()); };
  }
  if (name == "delete_vectors")
    not_supported("deleting the vectors of points that stay (a point has exactly one vector, delete the point)");
  Selection selection(body, target, limits);
  if (name == "delete")
    return [&target, selection = std::move(selection)] {
      return selection.write([&](std::span<const index::PointId> ids) { return target->erase(ids); });
    };
  return payload_update(target, std::move(selection), read_edit(name, body));
}

}  // namespace nestor::server
