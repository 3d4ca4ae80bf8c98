// nestor_bench_http: one connection, k = 10, the search itself beside the same search over HTTP in every form a vector
// can be sent in, and beside an epoll loop that only moves the bytes. All cases take turns, many times over, since the
// speed of shared machines wanders: medians of rounds, and ratios to the embedded search of the same rounds.
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <random>

#include "bench/http/echo_server.h"
#include "bench/http/request_forms.h"
#include "bench/http/wire_client.h"
#include "bench/table.h"
#include "server/http_server.h"
#include "storage/database.h"

namespace nestor::bench {
namespace {

struct Settings {
  std::size_t points = 20'000, dim = 768, queries = 64, rounds = 9;
  std::size_t requests = 300;  // of each case in each round
  std::size_t ingested = 10'000;
  unsigned k = 10;
};

double seconds_of(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Clusters, with less and less in the later coordinates, as nested vectors have it.
std::vector<float> make_rows(std::size_t count, std::size_t dim, std::uint64_t seed) {
  std::mt19937_64 centre_random(7), random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(200 * dim), out(count * dim);
  for (float& x : centres) x = normal(centre_random);
  for (std::size_t row = 0; row < count; ++row) {
    const std::size_t centre = random() % 200;
    for (std::size_t i = 0; i < dim; ++i)
      out[row * dim + i] =
          (centres[centre * dim + i] + 0.7f * normal(random)) / std::sqrt(1.0f + static_cast<float>(i) / 8);
  }
  return out;
}

void write_rows(index::Collection& collection, const std::vector<float>& rows, std::size_t dim, std::size_t batch) {
  for (std::size_t row = 0; row * dim < rows.size(); row += batch) {
    std::vector<index::Point> points;
    for (std::size_t i = row; i < std::min(row + batch, rows.size() / dim); ++i)
      points.push_back({index::PointId::number(i), std::span(rows).subspan(i * dim, dim), "", {}});
    collection.upsert(points);
  }
}

struct Case {
  std::string name;
  std::size_t request_bytes = 0;
  bool on_own_thread = false;                // the embedded search: its work is the caller's
  std::function<void(std::size_t)> run;      // one query
  std::vector<double> latencies, processor;  // medians of rounds, microseconds
};

// Processor time of the server: all of the process but this thread, or this thread where the work is done here.
void measure_round(Case& one, const Settings& settings) {
  for (std::size_t i = 0; i < 20; ++i) one.run(i % settings.queries);
  std::vector<double> latencies;
  const double all = seconds_of(CLOCK_PROCESS_CPUTIME_ID), own = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  for (std::size_t i = 0; i < settings.requests; ++i) {
    const auto started = std::chrono::steady_clock::now();
    one.run(i % settings.queries);
    latencies.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - started).count());
  }
  const double mine = seconds_of(CLOCK_THREAD_CPUTIME_ID) - own;
  const double others = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - all - mine;
  one.latencies.push_back(median(std::move(latencies)));
  one.processor.push_back((one.on_own_thread ? mine : others) * 1e6 / static_cast<double>(settings.requests));
}

void print_queries(const std::vector<Case>& cases) {
  const double embedded = median(cases.front().latencies), search = median(cases.front().processor);
  Table table({"query", "request bytes", "p50 us", "of embedded", "server CPU us", "added CPU us"});
  for (const Case& one : cases) {
    const double latency = median(one.latencies), processor = median(one.processor);
    table.add({one.name, std::to_string(one.request_bytes), fixed(latency, 1), fixed(latency / embedded, 2) + "x",
               fixed(processor, 1), fixed(processor - search, 1)});
  }
  table.print(std::cout);
}

void print_ingest(storage::Database& database, WireClient& client, const Settings& settings) {
  constexpr std::size_t kBatch = 100;
  const std::vector<float> rows = make_rows(settings.ingested, settings.dim, 3);
  index::CollectionOptions options;
  options.dim = static_cast<std::uint32_t>(settings.dim);
  options.metric = index::Metric::l2;
  Table table({"ingest of " + std::to_string(kBatch) + " at a time", "points/s", "of embedded"});
  double embedded = 0;
  const auto timed = [&](const std::string& name, const std::function<void()>& work) {
    database.delete_collection("ingest");
    database.create_collection("ingest", options);
    const auto started = std::chrono::steady_clock::now();
    work();
    const double rate = static_cast<double>(settings.ingested) /
                        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (embedded == 0) embedded = rate;
    table.add({name, grouped(rate), fixed(rate / embedded, 2) + "x"});
  };
  timed("embedded", [&] { write_rows(*database.collection("ingest"), rows, settings.dim, kBatch); });
  for (const VectorForm form : {VectorForm::base64, VectorForm::json_shortest, VectorForm::json_double}) {
    std::vector<std::string> requests;  // made beforehand: the client's work is not what is measured
    for (std::size_t row = 0; row < settings.ingested; row += kBatch)
      requests.push_back(
          upsert_request(form, std::span(rows).subspan(row * settings.dim, kBatch * settings.dim), settings.dim, row));
    timed(name_of(form), [&] {
      for (const std::string& request : requests) client.exchange(request);
    });
  }
  table.print(std::cout);
}

void run(const Settings& settings) {
  const auto directory = std::filesystem::temp_directory_path() / ("nestor-bench-http-" + std::to_string(::getpid()));
  storage::DatabaseOptions database_options;
  database_options.background_builds = false;
  {
    const auto database = storage::Database::open(directory, database_options);
    index::CollectionOptions options;
    options.dim = static_cast<std::uint32_t>(settings.dim);
    options.metric = index::Metric::l2;
    const auto collection = database->create_collection("bench", options);
    write_rows(*collection, make_rows(settings.points, settings.dim, 1), settings.dim, 1000);
    collection->build();
    const std::vector<float> queries = make_rows(settings.queries, settings.dim, 2);
    const auto query = [&](std::size_t i) { return std::span(queries).subspan(i * settings.dim, settings.dim); };

    server::ServerConfig config;
    config.port = 0;
    config.io_threads = 1;
    server::HttpServer http(*database, config);
    http.start();
    WireClient client(http.port());
    index::SearchOptions search;
    search.k = settings.k;
    std::vector<Case> cases;
    cases.push_back({"embedded", 0, true, [&](std::size_t i) { collection->search(query(i), search); }, {}, {}});
    std::vector<std::vector<std::string>> requests;
    for (const VectorForm form : kVectorForms) {
      auto& all = requests.emplace_back();
      for (std::size_t i = 0; i < settings.queries; ++i) all.push_back(query_request(form, query(i), settings.k));
    }
    // The same bytes each way without a server behind them; then with nothing behind them but the search, which is what
    // no server can be cheaper than: its caches are as cold as a server's.
    std::atomic<std::size_t> asked{0};
    EchoServer bytes_only, searching_json, searching_base64;
    WireClient bytes_client(bytes_only.port()), json_client(searching_json.port()),
        base64_client(searching_base64.port());
    const auto search_asked = [&] { collection->search(query(asked), search); };
    const std::string json = requests[0][0], base64 = query_request(VectorForm::base64, query(0), settings.k);
    bytes_only.prepare(json.size(), client.exchange(json));
    searching_json.prepare(json.size(), client.exchange(json), search_asked);
    searching_base64.prepare(base64.size(), client.exchange(base64), search_asked);
    const auto add_floor = [&](const std::string& name, WireClient& floor_client, const std::string& request) {
      cases.push_back({name,
                       request.size(),
                       false,
                       [&](std::size_t i) {
                         asked = i;
                         floor_client.exchange(request);
                       },
                       {},
                       {}});
    };
    add_floor("epoll loop, bytes only", bytes_client, json);
    add_floor("epoll loop and search, JSON's bytes", json_client, json);
    add_floor("epoll loop and search, base64's bytes", base64_client, base64);
    for (std::size_t form = 0; form < requests.size(); ++form)
      cases.push_back({name_of(kVectorForms[form]),
                       requests[form][0].size(),
                       false,
                       [&, form](std::size_t i) { client.exchange(requests[form][i]); },
                       {},
                       {}});
    for (std::size_t round = 0; round < settings.rounds; ++round)
      for (Case& one : cases) measure_round(one, settings);
    std::cout << settings.points << " x " << settings.dim << ", k = " << settings.k << ", one connection, medians of "
              << settings.rounds << " interleaved rounds of " << settings.requests << "\n\n";
    print_queries(cases);
    std::cout << '\n';
    print_ingest(*database, client, settings);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

}  // namespace
}  // namespace nestor::bench

int main(int argc, char** argv) try {
  nestor::bench::Settings settings;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = i + 1 < argc ? argv[i] : "--help";
    const std::size_t value = std::strtoull(argv[i + (i + 1 < argc)], nullptr, 10);
    if (flag == "--points")
      settings.points = value;
    else if (flag == "--dim")
      settings.dim = value;
    else if (flag == "--rounds")
      settings.rounds = value;
    else if (flag == "--requests")
      settings.requests = value;
    else if (flag == "--ingest")
      settings.ingested = value / 100 * 100;
    else {
      std::cerr << "usage: nestor_bench_http [--points N] [--dim N] [--rounds N] [--requests N] [--ingest N]\n";
      return 2;
    }
  }
  nestor::bench::run(settings);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
