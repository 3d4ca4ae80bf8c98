// Does recall rot? Every row of a collection is replaced, in random order, while the graphs are folded and compacted as
// a server would; then the same rows are built afresh. Prints recall@10, bytes and the latency of searches meanwhile.
// Then a restart: time from opening to the first answer.
//   store_churn [--shared DIR] [--only SET] [--data DIR] [--threads N] [--queries N]

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "bench/arguments.h"
#include "bench/data_set.h"
#include "bench/table.h"
#include "index/error.h"
#include "storage/database.h"

namespace {

using namespace nestor;
using namespace nestor::bench;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 500;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// One thread that searches without a pause and remembers how long each search took, by what went on meanwhile.
class Watcher {
 public:
  Watcher(const index::Collection& collection, const Matrix& queries) : collection_(collection), queries_(queries) {
    thread_ = std::thread([this] { run(); });
  }
  ~Watcher() {
    stop_ = true;
    thread_.join();
  }
  void phase(const std::string& name) {
    const std::lock_guard lock(mutex_);
    phase_ = name;
  }
  void report(Table& table) {
    const std::lock_guard lock(mutex_);
    for (auto& [name, times] : times_) {
      std::sort(times.begin(), times.end());
      const auto at = [&times = times](double share) {
        return fixed(times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))], 0);
      };
      table.add({name, std::to_string(times.size()), at(0.5), at(0.99), at(1.0)});
    }
  }

 private:
  void run() {
    for (std::size_t q = 0; !stop_; q = (q + 1) % queries_.rows) {
      const auto start = Clock::now();
      collection_.search(queries_.row(q), {});
      const double microseconds = 1e6 * seconds_since(start);
      const std::lock_guard lock(mutex_);
      if (!phase_.empty()) times_[phase_].push_back(microseconds);
    }
  }

  const index::Collection& collection_;
  const Matrix& queries_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::string phase_;
  std::map<std::string, std::vector<double>> times_;
  std::thread thread_;
};

// Of one policy for all builds, and of the default one, which each build chooses for itself.
double recall(const index::Collection& collection, const Matrix& queries, const index::SearchOptions& search) {
  std::size_t found = 0;
  for (std::size_t q = 0; q < queries.rows; ++q) {
    index::SearchOptions exact;
    exact.exact = true;
    std::set<index::PointId> truth;
    for (const index::Hit& hit : collection.search(queries.row(q), exact).hits) truth.insert(hit.id);
    for (const index::Hit& hit : collection.search(queries.row(q), search).hits) found += truth.count(hit.id);
  }
  return static_cast<double>(found) / static_cast<double>(10 * queries.rows);
}

std::string recalls(const index::Collection& collection, const Matrix& queries) {
  constexpr float kGap = 0.13f;
  index::SearchOptions fixed_gap;
  fixed_gap.distance_gap = kGap;
  return fixed(recall(collection, queries, fixed_gap), 4) + " at gap " + fixed(kGap, 2) + ", " +
         fixed(recall(collection, queries, {}), 4) + " by default";
}

std::uint64_t bytes_below(const std::filesystem::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) bytes += entry.file_size();
  return bytes;
}

std::size_t resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6)) * 1024;
  throw std::runtime_error("/proc/self/status has no VmRSS");
}

// What a process of its own comes to hold when it opens the database and searches.
double resident_bytes_of(const std::filesystem::path& directory, const std::string& name, const Matrix& queries) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("cannot make a pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    double grown = 0;
    try {
      const std::size_t before = resident_bytes();
      storage::DatabaseOptions quiet;
      quiet.background_builds = false;
      const auto database = storage::Database::open(directory, quiet);
      for (std::size_t q = 0; q < queries.rows; ++q) database->collection(name)->search(queries.row(q), {});
      grown = static_cast<double>(resident_bytes()) - static_cast<double>(before);
    } catch (const std::exception& error) {
      std::cerr << error.what() << std::endl;
    }
    if (::write(ends[1], &grown, sizeof grown) != sizeof grown) ::_exit(1);
    ::_exit(0);
  }
  ::close(ends[1]);
  double grown = 0;
  const bool told = ::read(ends[0], &grown, sizeof grown) == sizeof grown && grown > 0;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!told) throw std::runtime_error("cannot measure the memory of " + name);
  return grown;
}

class Churn {
 public:
  Churn(const Arguments& arguments, const DataSetFiles& files, const std::filesystem::path& directory)
      : directory_(directory),
        keys_(load_matrix(files.keys)),
        queries_(load_matrix(files.queries, files.query_step, arguments.queries == 0 ? 500 : arguments.queries)) {
    build_.threads = arguments.threads;
    options_.dim = keys_.dim;
    options_.metric = index::Metric::l2;
    options_.widths = files.widths;
    options_.graphs = files.graphs;
    options_.rotation = files.rotations.front();
    if (keys_.exact_in_float16) options_.scalar_type = index::ScalarType::float16;
  }

  void run() {
    std::vector<std::size_t> rows(keys_.rows);
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    std::mt19937_64 random(1);
    std::shuffle(rows.begin(), rows.end(), random);
    std::vector<std::size_t> order = rows;
    std::shuffle(order.begin(), order.end(), random);

    storage::DatabaseOptions quiet;
    quiet.background_builds = false;
    {
      const auto fresh = storage::Database::open(directory_ / "fresh", quiet);
      fill(*fresh, "fresh", [](std::size_t id) { return id; });
      const auto database = storage::Database::open(directory_ / "churned", quiet);
      const auto churned = fill(*database, "churned", [&](std::size_t id) { return rows[id]; });
      std::cout << keys_.rows << " rows, recall@10 before: " << recalls(*churned, queries_) << std::endl;
      Watcher watcher(*churned, queries_);
      watcher.phase("idle");
      std::this_thread::sleep_for(std::chrono::seconds(5));
      replace_all(*churned, order, watcher);
      watcher.phase("");
      std::cout << "recall after replacing every row: " << recalls(*churned, queries_) << "; "
                << churned->info().dead_slots << " of " << churned->info().slots << " slots dead" << std::endl;
      watcher.phase("compaction");
      std::cout << "compaction: " << fixed(churned->compact(build_).seconds, 1) << " s" << std::endl;
      watcher.phase("");
      std::cout << "recall after compaction: " << recalls(*churned, queries_) << std::endl;
      std::cout << "recall of a fresh build: " << recalls(*fresh->collection("fresh"), queries_) << std::endl;
      Table table({"search during", "searches", "p50 us", "p99 us", "longest us"});
      watcher.report(table);
      table.print(std::cout);
    }
    std::cout << "bytes on disk against a fresh build: "
              << fixed(static_cast<double>(bytes_below(directory_ / "churned")) /
                           static_cast<double>(bytes_below(directory_ / "fresh")),
                       3)
              << std::endl;
    std::cout << "resident memory against a fresh build: "
              << fixed(resident_bytes_of(directory_ / "churned", "churned", queries_) /
                           resident_bytes_of(directory_ / "fresh", "fresh", queries_),
                       3)
              << std::endl;
    const auto start = Clock::now();
    const auto database = storage::Database::open(directory_ / "churned", quiet);
    const auto opened = seconds_since(start);
    database->collection("churned")->search(queries_.row(0), {});
    std::cout << "opening it: " << fixed(opened, 3) << " s, to the first answer: " << fixed(seconds_since(start), 3)
              << " s" << std::endl;
  }

 private:
  // Point `id` gets row row_of(id) of the keys.
  template <class RowOf>
  std::shared_ptr<index::Collection> fill(storage::Database& database, const std::string& name, RowOf row_of) {
    const auto collection = database.create_collection(name, options_);
    std::vector<index::Point> points;
    for (std::size_t id = 0; id < keys_.rows; ++id) {
      points.push_back({index::PointId::number(id), keys_.row(row_of(id)), {}, {}});
      if (points.size() == kBatch || id + 1 == keys_.rows) {
        collection->upsert(points);
        points.clear();
      }
    }
    std::cout << name << ": built in " << fixed(collection->build(build_).seconds, 1) << " s" << std::endl;
    return collection;
  }

  // Point `id` gets row `id`, in this order; maintenance whenever it is due, in a thread of its own as in a server.
  void replace_all(index::Collection& collection, const std::vector<std::size_t>& order, Watcher& watcher) {
    std::atomic<bool> done{false};
    double folding = 0, compacting = 0;
    std::size_t folds = 0, compactions = 0;
    std::thread maintenance([&] {
      while (!done) {
        if (!collection.wants_build()) {
          watcher.phase("writes");
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          continue;
        }
        const bool compacts = collection.info().dead_slots * 4 >= collection.info().slots;
        watcher.phase(compacts ? "writes and compaction" : "writes and fold");
        const index::BuildReport report = collection.maintain(build_);
        (compacts ? compacting : folding) += report.seconds;
        ++(compacts ? compactions : folds);
      }
    });
    const auto start = Clock::now();
    std::vector<index::Point> points;
    for (std::size_t i = 0; i < order.size(); ++i) {
      points.push_back({index::PointId::number(order[i]), keys_.row(order[i]), {}, {}});
      if (points.size() == kBatch || i + 1 == order.size()) {
        collection.upsert(points);
        points.clear();
      }
    }
    const double writing = seconds_since(start);
    while (collection.wants_build()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    done = true;
    maintenance.join();
    collection.fold(build_);
    std::cout << "replaced in " << fixed(writing, 1) << " s; " << folds << " folds (" << fixed(folding, 1) << " s), "
              << compactions << " compactions (" << fixed(compacting, 1) << " s)" << std::endl;
  }

  std::filesystem::path directory_;
  Matrix keys_, queries_;
  index::CollectionOptions options_;
  index::BuildOptions build_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse_arguments(argc, argv, "Recall, bytes and latency while every row is replaced");
    const std::filesystem::path directory =
        arguments.data.value_or(std::filesystem::temp_directory_path() / "nestor-store-churn");
    for (const DataSetFiles& files : find_data_sets(arguments)) {
      std::filesystem::remove_all(directory / files.name);
      std::filesystem::create_directories(directory);
      std::cout << files.name << ": ";
      Churn(arguments, files, directory / files.name).run();
      std::filesystem::remove_all(directory / files.name);
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "store_churn: " << error.what() << '\n';
    return 1;
  }
}
