#pragma once
// One thread that builds the next generation of whichever collection wants one.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "index/collection.h"

namespace nestor::storage {

// Thread-safe. The destructor ends a build under way, of which there is one at most, at its next report of progress.
class BackgroundBuilder {
 public:
  using Collections = std::vector<std::shared_ptr<index::Collection>>;

  struct Options {
    unsigned threads = 0;                            // per build; 0: all cores
    std::chrono::milliseconds poll{200};             // between two looks at wants_build()
    std::chrono::milliseconds longest_pause{60000};  // after failures; doubles from `poll` up to here
    std::function<void(const std::string&)> log;     // required; called from the builder's thread
  };

  // `list` is called from the builder's thread and returns the collections to look after.
  BackgroundBuilder(std::function<Collections()> list, Options options);
  ~BackgroundBuilder();
  BackgroundBuilder(const BackgroundBuilder&) = delete;
  BackgroundBuilder& operator=(const BackgroundBuilder&) = delete;

  void request_stop();

 private:
  using Clock = std::chrono::steady_clock;

  // A collection whose last build failed waits, so that a full disk is not hammered.
  struct Pause {
    Clock::time_point until;
    std::chrono::milliseconds length;
  };

  void run();
  void look_once();
  void build(index::Collection& collection);
  bool still_listed(const index::Collection& collection) const;
  bool stopping();

  const std::function<Collections()> list_;
  const Options options_;
  std::map<std::string, Pause> pauses_;  // of the builder's thread alone

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;   // guarded by mutex_
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace nestor::storage
