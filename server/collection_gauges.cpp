#include "server/collection_gauges.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "storage/collection_name.h"

namespace nestor::server {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;

struct Reading {
  std::string name;
  index::CollectionInfo info;
  std::uint64_t disk_bytes = 0;
};

ClientMetric gauge(std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  return metric;
}

// Files that come and go meanwhile count or not.
std::uint64_t folder_bytes(const std::filesystem::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code gone;
    const std::uint64_t size = entry->is_regular_file(gone) ? entry->file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  return bytes;
}

std::vector<Reading> read_all(const storage::Database& database, const std::string& data_directory) {
  std::vector<Reading> out;
  for (const std::string& name : database.collection_names()) {
    try {
      const std::uint64_t bytes =
          data_directory.empty()
              ? 0
              : folder_bytes(std::filesystem::path(data_directory) / "collections" / storage::escape_name(name));
      out.push_back({name, database.collection(name)->info(), bytes});
    } catch (const index::Error&) {  // deleted meanwhile
    }
  }
  return out;
}

double dead_share(const index::CollectionInfo& info) {
  const std::uint64_t all = info.points + info.dead_slots;
  return all == 0 ? 0 : static_cast<double>(info.dead_slots) / static_cast<double>(all);
}

template <typename Value>
MetricFamily family(const std::vector<Reading>& readings, std::string name, std::string help, Value value) {
  MetricFamily out{std::move(name), std::move(help), prometheus::MetricType::Gauge, {}};
  for (const Reading& reading : readings)
    out.metric.push_back(gauge({{"collection", reading.name}}, static_cast<double>(value(reading))));
  return out;
}

MetricFamily memory_family(const std::vector<Reading>& readings) {
  MetricFamily out{"nestor_collection_memory_bytes", "Memory by what it holds", prometheus::MetricType::Gauge, {}};
  for (const Reading& reading : readings) {
    const index::MemoryReport& memory = reading.info.memory;
    for (const auto& [part, bytes] : {std::pair{"links", memory.links},
                                      {"codes", memory.codes},
                                      {"mapped_codes", memory.mapped_codes},
                                      {"rows", memory.rows},
                                      {"ids", memory.ids},
                                      {"tail", memory.tail}})
      out.metric.push_back(gauge({{"collection", reading.name}, {"part", part}}, static_cast<double>(bytes)));
  }
  return out;
}

}  // namespace

std::vector<MetricFamily> CollectionGauges::Collect() const {
  const std::vector<Reading> all = read_all(database_, data_directory_);
  std::vector<MetricFamily> out;
  const auto add = [&](const char* name, const char* help, auto value) {
    out.push_back(family(all, std::string("nestor_collection_") + name, help, value));
  };
  add("points", "Live points", [](const Reading& r) { return r.info.points; });
  add("indexed_points", "Live points that are in a graph", [](const Reading& r) { return r.info.indexed_points; });
  add("tail_rows", "Rows newer than the graph, compared one by one", [](const Reading& r) { return r.info.tail_rows; });
  add("dead_slots", "Rows that were deleted or replaced and still take room",
      [](const Reading& r) { return r.info.dead_slots; });
  add("dead_ratio", "Their share of all rows", [](const Reading& r) { return dead_share(r.info); });
  add("sequence", "Number of the last write", [](const Reading& r) { return r.info.sequence; });
  add("generation_sequence", "Number of the last write that the generation holds; 0: there is none",
      [](const Reading& r) { return r.info.generation_sequence; });
  add("building", "1 while a generation is built", [](const Reading& r) { return r.info.building ? 1 : 0; });
  if (!data_directory_.empty()) add("disk_bytes", "Bytes in its folder", [](const Reading& r) { return r.disk_bytes; });
  out.push_back(memory_family(all));
  out.push_back({"nestor_collections",
                 "Collections that are served",
                 prometheus::MetricType::Gauge,
                 {gauge({}, static_cast<double>(all.size()))}});
  out.push_back({"nestor_collections_damaged",
                 "Collections that could not be opened",
                 prometheus::MetricType::Gauge,
                 {gauge({}, static_cast<double>(database_.damaged().size()))}});
  out.push_back({"nestor_collections_waiting",
                 "Collections that there are not enough open files for",
                 prometheus::MetricType::Gauge,
                 {gauge({}, static_cast<double>(database_.waiting().size()))}});
  return out;
}

}  // namespace nestor::server
