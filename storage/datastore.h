#pragma once
// A collection used as a kNN-LM datastore: row n is point n, in corpus order; its payload says which token followed
// ("token"), how many merged rows it stands for ("weight", 1 when missing) and its document ("doc_id", an unsigned
// integer). The same queries under the same names are offered over HTTP and in Python.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "index/collection.h"
#include "index/knn_lm.h"

namespace nestor::storage {

// Rows to append, all spans of one length but keys [rows x dim].
struct DatastoreRows {
  std::span<const float> keys;
  std::span<const std::uint32_t> values;     // empty: none
  std::span<const float> weights;            // empty: all 1
  std::span<const std::uint64_t> documents;  // empty: none
};

// What a query of a datastore may ask beyond LookupOptions, whose `columns`, `excluded_documents` and
// search.entry_slots are filled in here.
struct DatastoreQuery {
  index::LookupOptions options;
  bool weights = false;                          // let weights vote
  std::vector<std::uint64_t> exclude_documents;  // empty, one for all, or one per query; kNoDocument: none
  std::vector<index::PointId> entry_ids;         // warm start; unknown ids are passed over
  unsigned threads = 0;                          // 0: all cores
};

// One beyond the largest integer id: the number of the next row. 64 look-ups.
std::uint64_t next_row(const index::Collection& collection);

// What datastores of one collection share: the columns, read once, and the order of appends. Holds no collection, so
// a server may keep it for as long as it likes. Thread-safe.
class DatastoreState {
 public:
  // Weights and documents by slot. Read from the payloads once, O(rows), and kept up with what is written since.
  std::shared_ptr<const index::RowColumns> columns(const index::Collection& collection);
  std::mutex& append_mutex() { return append_mutex_; }

 private:
  // Adds what is newer; the numbering of the rows read. REQUIRES columns_mutex_.
  static std::uint64_t read_columns(const index::Collection& collection, index::RowColumns& next);

  std::mutex append_mutex_, columns_mutex_;
  std::shared_ptr<const index::RowColumns> columns_;  // guarded by columns_mutex_, as are the next two
  index::Sequence sequence_ = 0, payload_sequence_ = 0;
};

// Thread-safe.
class Datastore {
 public:
  explicit Datastore(std::shared_ptr<index::Collection> collection,
                     std::shared_ptr<DatastoreState> state = std::make_shared<DatastoreState>())
      : collection_(std::move(collection)), state_(std::move(state)) {}

  index::Collection& collection() const { return *collection_; }

  // Writes the rows behind those that are there, in batches, each durable when it is done; returns the id of the
  // first. Appends of one state wait for each other. Throws Error invalid_argument with nothing written for spans that
  // do not fit.
  std::uint64_t append(const DatastoreRows& rows);
  std::uint64_t next_row() const { return storage::next_row(*collection_); }

  std::vector<index::LookupResult> lookup(std::span<const float> queries, std::size_t count,
                                          const DatastoreQuery& query);
  std::vector<index::TokenScore> score(std::span<const float> queries, std::size_t count,
                                       const index::ScoreTargets& targets, const DatastoreQuery& query);
  std::vector<index::QueryResult> search(std::span<const float> queries, std::size_t count,
                                         const DatastoreQuery& query);

  // From queries [count x dim] to ids [count x n], row by row; smaller is nearer whatever the metric, as in Hit.
  // Infinite where there is no such row. Throws Error invalid_argument for ids that are no row for each query.
  std::vector<float> distances(std::span<const float> queries, std::size_t count,
                               std::span<const index::PointId> ids) const;
  // [ids x dim], as they were stored. Throws Error not_found.
  std::vector<float> get_vectors(std::span<const index::PointId> ids) const { return collection_->rows().vectors(ids); }

  // The row after each: id + 1 where it exists and no document ends in between (RetoMaton's pointers, Alon et al.
  // 2022). nullopt for UUIDs.
  std::vector<std::optional<index::PointId>> next_ids(std::span<const index::PointId> ids);
  // k nearest of each stored row first..last-1, without the row itself and, when asked, without the rows of its
  // document (RETRO's chunk neighbours, Borgeaud et al. 2022). Ids that do not exist get empty answers.
  std::vector<index::QueryResult> self_join(std::uint64_t first, std::uint64_t last, const DatastoreQuery& query,
                                            bool exclude_same_document);

  std::shared_ptr<const index::RowColumns> columns() { return state_->columns(*collection_); }

 private:
  struct Filled;  // LookupOptions with what it points to
  std::unique_ptr<Filled> fill(const DatastoreQuery& query, std::size_t count);
  template <typename Ask>
  auto answer(const DatastoreQuery& query, std::size_t count, const Ask& ask);
  using ColumnsAndRows = std::pair<std::shared_ptr<const index::RowColumns>, index::RowReader>;
  ColumnsAndRows columns_and_rows();  // of one numbering

  std::shared_ptr<index::Collection> collection_;
  std::shared_ptr<DatastoreState> state_;
};

}  // namespace nestor::storage
