#include "server/query_answer.h"

#include "server/json_writer.h"

namespace nestor::server {

RecordFormat answer_format(const OpenCollection& target, const QueryRequest& query) {
  RecordFormat format{query.payload, query.with_vector, target.schema.get()};
  format.vector_width = query.node.search.width.value_or(0);
  format.normalise_prefix = target->options().metric == index::Metric::cosine;
  return format;
}

bool append_hit(std::string& out, std::string_view prefix, const OpenCollection& target, const QueryHit& hit,
                const RecordFormat& format) {
  std::optional<index::Record> record;
  if (format.payload.wanted() || format.with_vector) {
    record = target->get(hit.id, format.with_vector, format.payload.wanted());
    if (!record) return false;
  }
  out += prefix;
  out += "{\"id\":";
  append_id(out, hit.id);
  out += ",\"version\":";
  append_unsigned(out, record ? record->version : hit.version);
  out += ",\"score\":";
  append_float(out, hit.score);
  if (record) append_record_parts(out, *record, format);
  if (!hit.order_value.empty()) {
    out += ",\"order_value\":";
    out += hit.order_value;
  }
  out += '}';
  return true;
}

void append_hits(std::string& out, const OpenCollection& target, const std::vector<QueryHit>& hits,
                 const RecordFormat& format) {
  out += '[';
  bool first = true;
  for (const QueryHit& hit : hits)
    if (append_hit(out, first ? "" : ",", target, hit, format)) first = false;
  out += ']';
}

}  // namespace nestor::server
