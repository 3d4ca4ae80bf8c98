// Writes per second of single points, by sync policy and number of writers: what group commit gives.
//   write_rate [seconds per figure, default 3] [directory, default a temporary one on the system's disk]

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/table.h"
#include "index/error.h"
#include "storage/database.h"

namespace {

using namespace nestor;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kDim = 128;

double writes_per_second(index::Collection& collection, unsigned writers, double seconds) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> written{0};
  std::vector<std::thread> threads;
  const auto started = Clock::now();
  for (unsigned writer = 0; writer < writers; ++writer)
    threads.emplace_back([&, writer] {
      std::mt19937_64 random(writer);
      std::normal_distribution<float> normal;
      std::vector<float> vector(kDim);
      while (!stop) {
        for (float& x : vector) x = normal(random);
        const index::Point point{index::PointId::number(random() % 100'000), vector, R"({"payload":"of some length"})", {}};
        collection.upsert({&point, 1});
        ++written;
      }
    });
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(written) / std::chrono::duration<double>(Clock::now() - started).count();
}

int run(double seconds, const std::filesystem::path& directory) {
  bench::Table table({"sync", "writers", "writes/s", "against 1 writer"});
  for (const index::SyncPolicy sync : {index::SyncPolicy::every_write, index::SyncPolicy::interval}) {
    double one = 0;
    for (const unsigned writers : {1u, 4u, 16u}) {
      storage::DatabaseOptions options;
      options.background_builds = false;
      const auto database = storage::Database::open(directory, options);
      index::CollectionOptions collection_options;
      collection_options.dim = kDim;
      collection_options.sync = sync;
      const auto collection = database->create_collection("rate", collection_options);
      const double rate = writes_per_second(*collection, writers, seconds);
      if (writers == 1) one = rate;
      table.add({std::string(to_string(sync)), std::to_string(writers), bench::fixed(rate, 0), bench::fixed(rate / one, 2)});
      database->delete_collection("rate");
    }
  }
  table.print(std::cout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bool own = argc <= 2;
    const std::filesystem::path directory =
        own ? std::filesystem::temp_directory_path() / "nestor-write-rate" : std::filesystem::path(argv[2]);
    const int status = run(argc > 1 ? std::atof(argv[1]) : 3.0, directory);
    if (own) std::filesystem::remove_all(directory);
    return status;
  } catch (const std::exception& error) {
    std::cerr << "write_rate: " << error.what() << '\n';
    return 1;
  }
}
