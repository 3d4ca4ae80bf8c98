#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "server/collection_gauges.h"
#include "server/json_writer.h"
#include "server/process_usage.h"
#include "server/request_id.h"
#include "server/router.h"

namespace nestor::server {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr std::uint32_t kSampledSearches = 16;  // a power of two

const Histogram::BucketBoundaries& request_buckets() {
  static const Histogram::BucketBoundaries bounds = {1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2,
                                                     5e-2, 0.1,    0.25, 0.5,  1,      2.5,  5,    10};
  return bounds;
}

const Histogram::BucketBoundaries& stage_buckets() {
  static const Histogram::BucketBoundaries bounds = {5e-6, 1e-5,   2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4,
                                                     1e-3, 2.5e-3, 5e-3,   1e-2, 5e-2, 0.1,    1};
  return bounds;
}

// RFC 3339, UTC.
std::string timestamp(std::time_t at) {
  std::tm parts{};
  gmtime_r(&at, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// A route as the dialect names it, which knows other words for parameters.
std::string dialect_endpoint(const Route& route) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kWords = {
      {{"{name}", "{collection_name}"}, {"{snapshot}", "{snapshot_name}"}, {"{field}", "{field_name}"}}};
  std::string out = route.pattern;
  for (const auto& [ours, theirs] : kWords)
    if (const std::size_t at = out.find(ours); at != std::string::npos) out.replace(at, ours.size(), theirs);
  return out;
}

// Of one route and one status.
struct Cell {
  Counter* count = nullptr;
  std::atomic<std::uint64_t> microseconds{0};
};

// Of one route.
struct Row {
  Histogram* seconds = nullptr;
  std::map<int, Cell> cells;
};

}  // namespace

struct Metrics::Impl {
  Impl(const storage::Database& given, std::string data_directory)
      : database(given),
        collections(given, std::move(data_directory)),
        requests(counters("nestor_http_requests_total", "Requests answered")),
        latency(
            histograms("nestor_http_request_duration_seconds", "First byte of a request to last byte of its answer")),
        stage_latency(histograms("nestor_search_stage_duration_seconds",
                                 "Time of a stage of a search, of one search in 16 and of those that ask for it")),
        stage_coordinates(counters("nestor_search_stage_coordinates_total", "Coordinates read, of the same searches")),
        stage_distances(counters("nestor_search_stage_distances_total", "Distances taken, of the same searches")) {
    auto& bytes = counters("nestor_http_body_bytes_total", "Bytes of bodies");
    received = &bytes.Add({{"direction", "in"}});
    sent = &bytes.Add({{"direction", "out"}});
    open = &gauges("nestor_http_connections", "Open connections").Add({});
    auto& outcomes = counters("nestor_http_connections_total", "Connections by what became of them");
    accepted = &outcomes.Add({{"outcome", "accepted"}});
    refused = &outcomes.Add({{"outcome", "refused"}});
    evicted = &outcomes.Add({{"outcome", "evicted"}});
    gauges("nestor_build_info", "Always 1").Add({{"version", NESTOR_VERSION}}).Set(1);
    gauges("process_start_time_seconds", "Since the epoch").Add({}).Set(static_cast<double>(started));
    resident = &gauges("process_resident_memory_bytes", "Memory in use").Add({});
    private_memory =
        &gauges("process_private_memory_bytes", "Of it, what is not pages of mapped files").Add({});
    virtual_memory = &gauges("process_virtual_memory_bytes", "Address space in use").Add({});
    files = &gauges("process_open_fds", "Open files and connections").Add({});
    cpu = &counters("process_cpu_seconds_total", "Processor time used").Add({});
    make_request_id(process);
  }

  Family<Counter>& counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Gauge>& gauges(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& histograms(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  static prometheus::Labels labels(const Route* route) {
    return {{"method", route ? route->method : ""}, {"route", route ? route->pattern : ""}};
  }

  // What dashboards of the dialect look for; patterns need no escapes.
  std::string dialect_text() const {
    std::string out = "# TYPE app_info gauge\napp_info{name=\"nestor\",version=\"" NESTOR_VERSION
                      "\"} 1\n# TYPE cluster_enabled gauge\ncluster_enabled 0\n# TYPE collections_total gauge\n"
                      "collections_total " +
                      std::to_string(database.collection_names().size()) + "\n";
    std::string totals = "# TYPE rest_responses_total counter\n";
    std::string means = "# TYPE rest_responses_avg_duration_seconds gauge\n";
    const std::shared_lock lock(mutex);
    for (const auto& [route, row] : rows) {
      if (!route) continue;
      const std::string labels = "{method=\"" + route->method + "\",endpoint=\"" + dialect_endpoint(*route) + "\",status=\"";
      for (const auto& [status, cell] : row.cells) {
        const double count = cell.count->Value();
        const std::string series = labels + std::to_string(status) + "\"} ";
        totals += "rest_responses_total" + series + std::to_string(static_cast<std::uint64_t>(count)) + "\n";
        means += "rest_responses_avg_duration_seconds" + series;
        append_double(means, count == 0 ? 0 : static_cast<double>(cell.microseconds.load()) * 1e-6 / count);
        means += '\n';
      }
    }
    return out + totals + means;
  }

  // Elements of both maps stay in place, so that what was found may be used without the lock.
  std::pair<Histogram*, Cell*> find(const Route* route, int status) {
    {
      const std::shared_lock lock(mutex);
      if (const auto row = rows.find(route); row != rows.end())
        if (const auto cell = row->second.cells.find(status); cell != row->second.cells.end())
          return {row->second.seconds, &cell->second};
    }
    const std::unique_lock lock(mutex);
    Row& row = rows[route];
    if (!row.seconds) row.seconds = &latency.Add(labels(route), request_buckets());
    Cell& cell = row.cells[status];
    if (!cell.count) {
      auto all = labels(route);
      all["status"] = std::to_string(status);
      cell.count = &requests.Add(all);
    }
    return {row.seconds, &cell};
  }

  const storage::Database& database;
  const std::time_t started = std::time(nullptr);
  std::string process;
  prometheus::Registry registry;
  CollectionGauges collections;
  Family<Counter>& requests;
  Family<Histogram>& latency;
  Family<Histogram>& stage_latency;
  Family<Counter>&stage_coordinates, &stage_distances;
  Counter *received = nullptr, *sent = nullptr, *accepted = nullptr, *refused = nullptr, *evicted = nullptr,
          *cpu = nullptr;
  Gauge *open = nullptr, *resident = nullptr, *private_memory = nullptr, *virtual_memory = nullptr, *files = nullptr;
  std::atomic<std::uint32_t> searches{0};

  mutable std::shared_mutex mutex;
  std::map<const Route*, Row> rows;  // guarded by mutex
};

Metrics::Metrics(const storage::Database& database, std::string data_directory)
    : impl_(std::make_unique<Impl>(database, std::move(data_directory))) {}
Metrics::~Metrics() = default;

void Metrics::count_request(const RequestReport& report) {
  const auto [latency, cell] = impl_->find(report.route, report.status);
  latency->Observe(report.seconds);
  cell->count->Increment();
  cell->microseconds.fetch_add(static_cast<std::uint64_t>(report.seconds * 1e6), std::memory_order_relaxed);
  impl_->received->Increment(static_cast<double>(report.request_bytes));
  impl_->sent->Increment(static_cast<double>(report.response_bytes));
}

void Metrics::connection_opened() {
  impl_->accepted->Increment();
  impl_->open->Increment();
}
void Metrics::connection_closed() { impl_->open->Decrement(); }
void Metrics::connection_refused() { impl_->refused->Increment(); }
void Metrics::connection_evicted() { impl_->evicted->Increment(); }

bool Metrics::wants_stages() { return impl_->searches.fetch_add(1, std::memory_order_relaxed) % kSampledSearches == 0; }

void Metrics::count_stages(std::span<const index::StageReport> stages) {
  for (const index::StageReport& stage : stages) {
    const prometheus::Labels labels{{"stage", stage.name}, {"width", std::to_string(stage.width)}};
    impl_->stage_latency.Add(labels, stage_buckets()).Observe(stage.microseconds * 1e-6);
    impl_->stage_coordinates.Add(labels).Increment(static_cast<double>(stage.coordinates_read));
    impl_->stage_distances.Add(labels).Increment(static_cast<double>(stage.distance_evaluations));
  }
}

std::string Metrics::text() const {
  const ProcessUsage usage = process_usage();
  impl_->resident->Set(static_cast<double>(usage.resident_bytes));
  impl_->private_memory->Set(static_cast<double>(usage.private_bytes()));
  impl_->virtual_memory->Set(static_cast<double>(usage.virtual_bytes));
  impl_->files->Set(static_cast<double>(usage.open_files));
  impl_->cpu->Increment(usage.cpu_seconds - impl_->cpu->Value());  // ignored when another scrape was faster
  auto families = impl_->registry.Collect();
  for (auto& family : impl_->collections.Collect()) families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families) + impl_->dialect_text();
}

std::string Metrics::telemetry() const {
  std::string out = "{\"id\":";
  append_string(out, impl_->process);
  out += ",\"app\":{\"name\":\"nestor\",\"version\":";
  append_string(out, NESTOR_VERSION);
  out += ",\"startup\":";
  append_string(out, timestamp(impl_->started));
  out += "},\"collections\":{\"number_of_collections\":";
  append_unsigned(out, impl_->database.collection_names().size());
  out += "},\"cluster\":{\"enabled\":false},\"memory\":{\"resident_bytes\":";
  const ProcessUsage usage = process_usage();
  append_unsigned(out, usage.resident_bytes);
  out += ",\"private_bytes\":";
  append_unsigned(out, usage.private_bytes());
  out += "},\"requests\":{\"rest\":{\"responses\":{";
  const std::shared_lock lock(impl_->mutex);
  bool first_row = true;
  for (const auto& [route, row] : impl_->rows) {
    if (!route) continue;
    out += first_row ? "" : ",";
    first_row = false;
    append_string(out, route->method + " " + dialect_endpoint(*route));
    out += ":{";
    bool first_cell = true;
    for (const auto& [status, cell] : row.cells) {
      const auto count = static_cast<std::uint64_t>(cell.count->Value());
      out += first_cell ? "\"" : ",\"";
      first_cell = false;
      out += std::to_string(status) + "\":{\"count\":";
      append_unsigned(out, count);
      out += ",\"total_duration_micros\":";
      append_unsigned(out, cell.microseconds.load());
      out += ",\"avg_duration_micros\":";
      append_double(out, count == 0 ? 0 : static_cast<double>(cell.microseconds.load()) / static_cast<double>(count));
      out += '}';
    }
    out += '}';
  }
  return out + "}}}}";
}

}  // namespace nestor::server
