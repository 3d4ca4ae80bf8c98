#include <algorithm>
#include <random>
#include <set>

#include "index/bucket_queue.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::test_seed;

TEST_CASE("buckets cover every key in order and are narrower than one part in 128") {
  std::uint32_t key = 0;
  for (std::uint32_t bucket = 0;; ++bucket) {
    REQUIRE(BucketQueue::first_key(bucket) == key);
    REQUIRE(BucketQueue::bucket_of(key) == bucket);
    if (key > 0) REQUIRE(BucketQueue::bucket_of(key - 1) == bucket - 1);
    if (BucketQueue::bucket_of(0xFFFFFFFFu) == bucket) break;
    const std::uint32_t next = BucketQueue::first_key(bucket + 1);
    REQUIRE((next - key) * 128.0 <= std::max(128.0, static_cast<double>(key)));
    key = next;
  }
}

TEST_CASE("a bucket queue returns the nearest of all it was given and pops as many as it holds, bucket by bucket") {
  std::mt19937_64 rng(test_seed());
  INFO("seed " << test_seed());
  const std::pair<std::size_t, std::size_t> sizes[] = {{1, 1}, {7, 7}, {7, 300}, {100, 100}, {100, 1024}, {1024, 1024}};
  for (const auto& [keep, hold] : sizes) {
    BucketQueue queue;
    queue.start(keep, hold);
    std::vector<std::uint64_t> all, popped, batch;
    std::uint32_t row = 0;
    for (int hop = 0; hop < 200; ++hop) {
      const std::uint32_t limit = queue.insertion_limit();
      batch.clear();
      for (int i = 0; i < 20; ++i) {
        const auto key = static_cast<std::uint32_t>(rng() >> (32 + rng() % 20));
        all.push_back(pack_candidate(key, row));
        if (key < limit) batch.push_back(pack_candidate(key, row));
        ++row;
      }
      queue.insert(batch.data(), batch.size());
      std::uint64_t candidate = 0;
      if (hop % 3 != 0 && queue.pop(candidate)) popped.push_back(candidate);
    }
    std::vector<std::uint64_t> kept;
    queue.end(kept);
    std::sort(kept.begin(), kept.end());
    std::sort(all.begin(), all.end());
    REQUIRE(kept == std::vector<std::uint64_t>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(keep)));
    std::set<std::uint64_t> once(popped.begin(), popped.end());
    CHECK(once.size() == popped.size());
    // What is left comes in the order of buckets, and never what was popped before.
    std::uint32_t last = 0;
    for (std::uint64_t candidate = 0; queue.pop(candidate);) {
      CHECK(once.insert(candidate).second);
      CHECK(BucketQueue::bucket_of(key_of(candidate)) >= last);
      last = BucketQueue::bucket_of(key_of(candidate));
    }
    for (std::size_t i = 0; i < hold; ++i) CHECK(once.count(all[i]) == 1);
  }
}

TEST_CASE("fewer candidates than a bucket queue keeps all come back") {
  BucketQueue queue;
  queue.start(10, 20);
  const std::uint64_t two[] = {pack_candidate(5, 1), pack_candidate(0xFFFFFFFFu, 2)};
  queue.insert(two, 2);
  CHECK_FALSE(queue.full());
  std::vector<std::uint64_t> kept;
  queue.end(kept);
  CHECK(kept.size() == 2);
  std::uint64_t candidate = 0;
  REQUIRE(queue.pop(candidate));
  CHECK(row_of(candidate) == 1);
  REQUIRE(queue.pop(candidate));
  CHECK(row_of(candidate) == 2);
  CHECK_FALSE(queue.pop(candidate));
}
