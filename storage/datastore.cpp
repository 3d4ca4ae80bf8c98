#include "storage/datastore.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "index/error.h"
#include "storage/payload_field.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;
using index::PointId;
using index::QueryResult;

namespace {

constexpr std::size_t kBatchFloats = 1u << 21;  // of one write; large enough that one sync a batch does not show

void check(const DatastoreRows& rows, std::size_t dim) {
  const std::size_t count = rows.keys.size() / dim;
  if (rows.keys.size() % dim != 0)
    throw Error(ErrorCode::invalid_argument,
                std::to_string(rows.keys.size()) + " values are not rows of " + std::to_string(dim) + " coordinates");
  const auto fits = [&](std::size_t size, const char* what) {
    if (size != 0 && size != count)
      throw Error(ErrorCode::invalid_argument,
                  std::to_string(size) + " " + what + " for " + std::to_string(count) + " keys; expected one per key");
  };
  fits(rows.values.size(), "values");
  fits(rows.weights.size(), "weights");
  fits(rows.documents.size(), "documents");
  for (const float w : rows.weights)
    if (!std::isfinite(w) || w <= 0)
      throw Error(ErrorCode::invalid_argument,
                  "the weight of a row must be a finite number above 0, got " + std::to_string(w));
  for (const float x : rows.keys)
    if (!std::isfinite(x)) throw Error(ErrorCode::invalid_argument, "a key holds a number that is not finite");
}

void add(std::string& payload, const char* name, const std::string& number) {
  payload += payload.empty() ? "{\"" : ",\"";
  payload += name;
  payload += "\":" + number;
}

std::string shortest(float number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

std::string payload_of(const DatastoreRows& rows, std::size_t i) {
  std::string payload;
  if (!rows.values.empty()) add(payload, "token", std::to_string(rows.values[i]));
  if (!rows.weights.empty() && rows.weights[i] != 1) add(payload, "weight", shortest(rows.weights[i]));
  if (!rows.documents.empty() && rows.documents[i] != index::kNoDocument)
    add(payload, "doc_id", std::to_string(rows.documents[i]));
  return payload.empty() ? payload : payload + "}";
}

}  // namespace

std::uint64_t next_row(const index::Collection& collection) {
  // Ids are listed upwards only, so the end is found by halving: 64 seeks.
  const auto any_from = [&](std::uint64_t first) {
    const auto records = collection.scroll(PointId::number(first), 1, false, false);
    return !records.empty() && !records.front().id.is_uuid;
  };
  if (!any_from(0)) return 0;
  std::uint64_t low = 0, high = ~std::uint64_t{0};  // an id at or above low exists
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2 + 1;
    if (any_from(middle))
      low = middle;
    else
      high = middle - 1;
  }
  return low + 1;
}

std::uint64_t Datastore::append(const DatastoreRows& rows) {
  const std::size_t dim = collection_->options().dim;
  check(rows, dim);
  const std::size_t count = rows.keys.size() / dim;
  const std::lock_guard lock(state_->append_mutex());
  const std::uint64_t first = next_row();
  const std::size_t batch = std::clamp<std::size_t>(kBatchFloats / dim, 16, 8192);
  std::vector<index::Point> points;
  std::vector<std::string> payloads;
  for (std::size_t begin = 0; begin < count; begin += batch) {
    const std::size_t size = std::min(batch, count - begin);
    points.assign(size, {});
    payloads.assign(size, {});
    for (std::size_t i = 0; i < size; ++i) {
      payloads[i] = payload_of(rows, begin + i);
      points[i].id = PointId::number(first + begin + i);
      points[i].vector = rows.keys.subspan((begin + i) * dim, dim);
      points[i].payload = payloads[i];
      if (!rows.values.empty()) points[i].value = rows.values[begin + i];
    }
    collection_->upsert(points);
  }
  return first;
}

std::shared_ptr<const index::RowColumns> DatastoreState::columns(const index::Collection& collection) {
  const std::lock_guard lock(columns_mutex_);
  const index::Sequence payloads = collection.payload_sequence();
  const index::Sequence sequence = collection.info().sequence;  // before the rows are read: newer ones are read again
  if (columns_ && sequence_ == sequence && payload_sequence_ == payloads) return columns_;
  std::shared_ptr<index::RowColumns> next;
  if (columns_ && payload_sequence_ == payloads) {
    next = std::make_shared<index::RowColumns>(*columns_);
    if (read_columns(collection, *next) != columns_->numbering()) next.reset();  // compacted just now
  }
  if (!next) {
    next = std::make_shared<index::RowColumns>();
    read_columns(collection, *next);
  }
  columns_ = next;
  sequence_ = sequence;
  payload_sequence_ = payloads;
  return columns_;
}

std::uint64_t DatastoreState::read_columns(const index::Collection& collection, index::RowColumns& next) {
  index::Slot end = next.next_slot();
  const std::uint64_t numbering =
      collection.for_each_payload(end, [&](const index::RowHeader& header, std::string_view payload) {
        const auto weight = payload_number(payload, "weight");
        if (weight && std::isfinite(static_cast<float>(*weight)) && *weight > 0)
          next.set_weight(header.slot, static_cast<float>(*weight));
        if (const auto document = payload_unsigned(payload, "doc_id")) next.set_document(header.slot, *document);
        end = header.slot + 1;
        return true;
      });
  next.finish(end, numbering);
  return numbering;
}

struct Datastore::Filled {
  index::LookupOptions options;
  std::shared_ptr<const index::RowColumns> columns;
  std::vector<std::uint64_t> documents;
  std::vector<index::Slot> entries;
};

std::unique_ptr<Datastore::Filled> Datastore::fill(const DatastoreQuery& query, std::size_t count) {
  auto out = std::make_unique<Filled>();  // does not move: its options point into it
  Filled& filled = *out;
  filled.options = query.options;
  if (query.weights || !query.exclude_documents.empty()) {
    filled.columns = columns();
    if (query.weights || filled.columns->has_documents()) filled.options.columns = filled.columns.get();
  }
  if (query.exclude_documents.size() == 1)
    filled.documents.assign(count, query.exclude_documents.front());
  else
    filled.documents = query.exclude_documents;
  if (!query.entry_ids.empty()) {
    const index::RowReader rows = collection_->rows();
    for (const PointId& id : query.entry_ids)
      if (const index::Slot slot = rows.find(id); slot != index::kNoSlot) filled.entries.push_back(slot);
  }
  filled.options.excluded_documents = filled.documents;
  filled.options.search.entry_slots = filled.entries;
  return out;
}

// A compaction between the reading of the columns and the search makes the search fail; it is asked again.
template <typename Ask>
auto Datastore::answer(const DatastoreQuery& query, std::size_t count, const Ask& ask) {
  for (int attempt = 1;; ++attempt) {
    const auto filled = fill(query, count);
    try {
      return ask(filled->options);
    } catch (const Error& error) {
      const bool compacted = filled->columns && filled->columns->numbering() != collection_->numbering();
      if (error.code() != ErrorCode::unavailable || !compacted || attempt == 3) throw;
    }
  }
}

Datastore::ColumnsAndRows Datastore::columns_and_rows() {
  for (;;) {
    auto documents = columns();
    index::RowReader rows = collection_->rows();
    if (documents->numbering() == rows.numbering()) return {std::move(documents), std::move(rows)};
  }
}

std::vector<index::LookupResult> Datastore::lookup(std::span<const float> queries, std::size_t count,
                                                   const DatastoreQuery& query) {
  return answer(query, count, [&](const index::LookupOptions& options) {
    return index::lookup(*collection_, queries, count, options, query.threads);
  });
}

std::vector<index::TokenScore> Datastore::score(std::span<const float> queries, std::size_t count,
                                                const index::ScoreTargets& targets, const DatastoreQuery& query) {
  return answer(query, count, [&](const index::LookupOptions& options) {
    return index::score(*collection_, queries, count, targets, options, query.threads);
  });
}

std::vector<QueryResult> Datastore::search(std::span<const float> queries, std::size_t count,
                                           const DatastoreQuery& query) {
  return answer(query, count, [&](const index::LookupOptions& options) {
    return index::neighbours(*collection_, queries, count, options, query.threads);
  });
}

std::vector<float> Datastore::distances(std::span<const float> queries, std::size_t count,
                                        std::span<const PointId> ids) const {
  if (count == 0 ? !queries.empty() || !ids.empty() : queries.size() % count != 0 || ids.size() % count != 0)
    throw Error(ErrorCode::invalid_argument, std::to_string(queries.size()) + " values and " +
                                                 std::to_string(ids.size()) + " ids are not a row for each of " +
                                                 std::to_string(count) + " queries");
  const index::RowReader rows = collection_->rows();
  std::vector<float> out;
  out.reserve(ids.size());
  for (std::size_t q = 0; q < count; ++q) {
    const std::size_t dim = queries.size() / count, each = ids.size() / count;
    const auto found = rows.distances(queries.subspan(q * dim, dim), ids.subspan(q * each, each));
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

std::vector<std::optional<PointId>> Datastore::next_ids(std::span<const PointId> ids) {
  const auto [documents, rows] = columns_and_rows();
  std::vector<std::optional<PointId>> out(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].is_uuid || ids[i].low == ~std::uint64_t{0}) continue;
    const PointId next = PointId::number(ids[i].low + 1);
    const index::Slot to = rows.find(next);
    if (to == index::kNoSlot) continue;
    if (documents->has_documents()) {
      const index::Slot from = rows.find(ids[i]);
      if (from == index::kNoSlot || documents->document(from) != documents->document(to)) continue;
    }
    out[i] = next;
  }
  return out;
}

std::vector<QueryResult> Datastore::self_join(std::uint64_t first, std::uint64_t last, const DatastoreQuery& query,
                                              bool exclude_same_document) {
  if (last < first)
    throw Error(ErrorCode::invalid_argument,
                "rows " + std::to_string(first) + ".." + std::to_string(last) + " run backwards");
  const auto [documents, rows] =
      exclude_same_document ? columns_and_rows() : ColumnsAndRows{nullptr, collection_->rows()};
  std::vector<PointId> ids;
  for (std::uint64_t id = first; id < last; ++id)
    if (rows.find(PointId::number(id)) != index::kNoSlot) ids.push_back(PointId::number(id));
  const std::vector<float> keys = rows.vectors(ids);
  DatastoreQuery asked = query;
  const std::uint32_t k = query.options.search.k;
  asked.options.search.k = std::min(k + 1, index::kMaxNeighbours);  // a row finds itself
  asked.exclude_documents.clear();
  if (exclude_same_document)
    for (const PointId& id : ids) asked.exclude_documents.push_back(documents->document(rows.find(id)));
  auto found = search(keys, ids.size(), asked);
  std::vector<QueryResult> out(last - first);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto& hits = found[i].hits;
    std::erase_if(hits, [&](const index::Hit& hit) { return hit.id == ids[i]; });
    if (hits.size() > k) hits.resize(k);
    out[ids[i].low - first] = std::move(found[i]);
  }
  return out;
}

}  // namespace nestor::storage
