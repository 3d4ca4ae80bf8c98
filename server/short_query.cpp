#include "server/short_query.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>

namespace nestor::server {
namespace {

constexpr std::size_t kNeighbours = 256;
constexpr std::size_t kRecords = 64;               // of which payload or vector is read
constexpr std::uint32_t kCandidates = 512;         // explored by a walk, or in a shortlist
constexpr std::uint64_t kCoordinates = 1'000'000;  // compared one by one: about 100 us

constexpr std::chrono::milliseconds kFresh{50};

// Rows in no graph, which every search compares one by one. Counting them exactly takes as long as a search, and a
// tail does not grow by much in the time that a reading is used for.
std::uint64_t scanned_rows(const index::Collection& collection) {
  struct Count {
    const index::Collection* collection = nullptr;
    std::chrono::steady_clock::time_point at;
    std::uint64_t rows = 0;
  };
  constexpr std::size_t kReadings = 16;
  thread_local std::array<Count, kReadings> readings;
  const auto now = std::chrono::steady_clock::now();
  Count& reading = readings[std::hash<const index::Collection*>()(&collection) / alignof(std::max_align_t) % kReadings];
  if (reading.collection == &collection && now - reading.at < kFresh) return reading.rows;
  const index::CollectionInfo info = collection.info();
  reading = {&collection, now, info.indexed_points == 0 ? info.points + info.dead_slots : info.tail_rows};
  return reading.rows;
}

bool walks_little(const index::SearchOptions& search) {
  return search.candidates_to_explore.value_or(0) <= kCandidates &&
         std::all_of(search.stages.begin(), search.stages.end(),
                     [](const index::Stage& stage) { return stage.shortlist <= kCandidates; });
}

}  // namespace

bool is_short(const OpenCollection& target, const QueryRequest& query) {
  const QueryNode& node = query.node;
  const auto* nearest = std::get_if<NearestQuery>(&node.query);
  if (!nearest || nearest->diversity || nearest->near.vector.empty() || node.filter || !node.prefetch.empty())
    return false;
  const bool reads_records = query.payload.wanted() || query.with_vector;
  const std::size_t most = reads_records ? kRecords : kNeighbours;
  if (node.limit > most || node.offset > most - node.limit || !walks_little(node.search)) return false;
  const std::uint64_t compared = node.search.exact ? target->count() : scanned_rows(*target.collection);
  return compared <= kCoordinates / target->options().dim;
}

}  // namespace nestor::server
