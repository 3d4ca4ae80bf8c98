// Points: retrieve by id, count, scroll.
#include <algorithm>

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/order_by.h"
#include "server/payload.h"
#include "server/point_ids.h"

namespace nestor::server {
namespace {

constexpr std::size_t kScrollChunk = 256;  // rows in memory at a time, besides the answer

RecordFormat read_format(const JsonValue& body, const OpenCollection& target) {
  return {read_payload_selector(body, true), read_vector_selector(body, *target.schema, false), target.schema.get()};
}

void get_one(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const auto id = parse_id(std::string_view(call.parameters[1]));
  if (!id) throw HttpError(400, "Wrong input: Can not recognize \"" + call.parameters[1] + "\" as point id");
  const auto record = target->get(*id, true, true);
  if (!record) throw HttpError(404, "Not found: Point with id " + index::to_string(*id) + " does not exists!");
  append_record(response.body, *record, {{PayloadSelector::Mode::all, {}}, true, target.schema.get()});
}

void retrieve(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  const auto ids = read_ids(required_field(body, "ids"), "ids", context.limits.points);
  const RecordFormat format = read_format(body, target);
  response.body += '[';
  bool first = true;
  for (const index::PointId& id : ids) {
    const auto record = target->get(id, format.with_vector, format.payload.wanted());
    if (!record) continue;
    if (!first) response.body += ',';
    first = false;
    append_record(response.body, *record, format);
    check_answer_size(response.body.size(), context.limits.answer_bytes);
  }
  response.body += ']';
}

void count(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  bool_field(document.root(), "exact");
  const auto filter = read_filter_field(document.root(), target, context.limits);
  response.body += "{\"count\":";
  append_unsigned(response.body, filter ? count_points(target, *filter) : target->count());
  response.body += '}';
}

struct Page {
  std::size_t limit = 10;
  std::optional<index::PointId> offset;
};

// However many: what an answer may hold is counted in bytes.
Page read_page(const JsonValue& body) {
  Page page;
  page.limit = integer_field(body, "limit", {.low = 1}).value_or(10);
  if (const auto offset = field(body, "offset")) page.offset = read_id(*offset);
  return page;
}

void append_next_page(std::string& out, const std::optional<index::PointId>& next) {
  out += "],\"next_page_offset\":";
  if (next)
    append_id(out, *next);
  else
    out += "null";
  out += '}';
}

struct Scroll {
  const OpenCollection& target;
  const Page& page;
  const RecordFormat& format;
  const RequestLimits& limits;
};

// Where the filter lets many points through, a page is full after a few rows in id order. Where it does not, one pass
// over all rows in the order they lie on disk is cheaper than looking up each row in id order.
class FilteredScroll {
 public:
  FilteredScroll(const Scroll& scroll, const Filter& filter, std::string& out)
      : s_(scroll), filter_(filter), out_(out), next_(scroll.page.offset) {}

  void run() {
    out_ += "{\"points\":[";
    if (!filter_.candidates() && look_in_id_order()) return append_next_page(out_, next_);
    std::optional<index::PointId> rest;
    if (!ended_) rest = append_selected();
    append_next_page(out_, rest);
  }

 private:
  // True when the page is full and next_ is where the next one starts.
  bool look_in_id_order() {
    std::size_t left = std::max<std::size_t>(1024, 4 * std::min<std::size_t>(s_.page.limit, 1 << 20));
    while (left > 0) {
      const auto records = s_.target->scroll(next_, kScrollChunk + 1, s_.format.with_vector, true);
      for (std::size_t i = 0; i < std::min(kScrollChunk, records.size()); ++i) {
        const index::Record& record = records[i];
        if (!accepts(filter_, record.id, record.payload, record.value)) continue;
        if (written_ == s_.page.limit) {
          next_ = record.id;
          return true;
        }
        append(record);
      }
      ended_ = records.size() <= kScrollChunk;
      if (ended_) return false;
      next_ = records[kScrollChunk].id;
      left -= std::min(left, kScrollChunk);
    }
    return false;
  }

  std::optional<index::PointId> append_selected() {
    const auto ids = select_ids(s_.target, filter_);
    for (auto it = next_ ? std::lower_bound(ids.begin(), ids.end(), *next_) : ids.begin(); it != ids.end(); ++it) {
      if (written_ == s_.page.limit) return *it;
      const auto record = s_.target->get(*it, s_.format.with_vector, s_.format.payload.wanted());
      if (record) append(*record);
    }
    return std::nullopt;
  }

  void append(const index::Record& record) {
    if (written_++ > 0) out_ += ',';
    append_record(out_, record, s_.format);
    check_answer_size(out_.size(), s_.limits.answer_bytes);
  }

  const Scroll s_;
  const Filter& filter_;
  std::string& out_;
  std::optional<index::PointId> next_;
  std::size_t written_ = 0;
  bool ended_ = false;  // there are no more rows
};

// Such a page has no next one: clients go on from the last value.
void scroll_in_order(const Scroll& s, const OrderBy& order, const Filter* filter, std::string& out) {
  index::SelectedSlots slots;
  if (filter) slots = select_slots(s.target, *filter);
  out += "{\"points\":[";
  bool first = true;
  for (const OrderedPoint& point : points_in_order(s.target, order, filter ? &slots : nullptr, s.page.limit)) {
    const auto record = s.target->get(point.id, s.format.with_vector, s.format.payload.wanted());
    if (!record) continue;  // deleted since
    if (!first) out += ',';
    first = false;
    append_record(out, *record, s.format);
    out.back() = ',';
    out += "\"order_value\":" + point.value + '}';
    check_answer_size(out.size(), s.limits.answer_bytes);
  }
  append_next_page(out, std::nullopt);
}

void scroll(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  const Page page = read_page(body);
  const RecordFormat format = read_format(body, target);
  if (const auto order = field(body, "order_by")) {
    if (page.offset)
      bad_request("Cannot use an `offset` when using `order_by`. The alternative for paging is to use "
                  "`order_by.start_from` and a filter to exclude the IDs that you've already seen for the "
                  "`order_by.start_from` value");
    return scroll_in_order({target, page, format, context.limits}, read_order_by(*order),
                           read_filter_field(body, target, context.limits).get(), response.body);
  }
  if (const auto filter = read_filter_field(body, target, context.limits))
    return FilteredScroll({target, page, format, context.limits}, *filter, response.body).run();

  response.body += "{\"points\":[";
  std::optional<index::PointId> next = page.offset;
  std::size_t written = 0;
  bool more = true;
  while (more && written < page.limit) {
    // One row beyond the chunk tells where the next one starts.
    const std::size_t wanted = std::min(kScrollChunk, page.limit - written);
    const auto records = target->scroll(next, wanted + 1, format.with_vector, format.payload.wanted());
    for (std::size_t i = 0; i < std::min(wanted, records.size()); ++i, ++written) {
      if (written) response.body += ',';
      append_record(response.body, records[i], format);
    }
    check_answer_size(response.body.size(), context.limits.answer_bytes);
    more = records.size() > wanted;
    if (more) next = records[wanted].id;
  }
  append_next_page(response.body, more ? next : std::nullopt);
}

}  // namespace

void add_point_read_routes(Router& router, Context& context) {
  const auto add = [&](const std::string& method, const std::string& last, auto handler) {
    router.add({method, "/collections/{name}/points" + last, Lane::read, true,
                [&context, handler](const Call& call, Response& response) { handler(context, call, response); }});
  };
  add("GET", "/{id}", get_one);
  add("POST", "", retrieve);
  add("POST", "/count", count);
  add("POST", "/scroll", scroll);
}

}  // namespace nestor::server
