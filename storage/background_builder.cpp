#include "storage/background_builder.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

namespace nestor::storage {
namespace {

struct Stopped {};

}  // namespace

BackgroundBuilder::BackgroundBuilder(std::function<Collections()> list, Options options)
    : list_(std::move(list)), options_(std::move(options)), thread_([this] { run(); }) {}

BackgroundBuilder::~BackgroundBuilder() {
  request_stop();
  thread_.join();
}

void BackgroundBuilder::request_stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
}

bool BackgroundBuilder::stopping() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

// Writes go to a collection directly and do not pass here, hence the poll: one cheap question per collection.
void BackgroundBuilder::run() {
  while (!stopping()) {
    look_once();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, options_.poll, [this] { return stop_; });
  }
}

void BackgroundBuilder::look_once() {
  for (const std::shared_ptr<index::Collection>& collection : list_()) {
    if (stopping()) return;
    const auto pause = pauses_.find(collection->name());
    if (pause != pauses_.end() && Clock::now() < pause->second.until) continue;
    if (collection->wants_build()) build(*collection);
  }
}

bool BackgroundBuilder::still_listed(const index::Collection& collection) const {
  const Collections all = list_();
  return std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.get() == &collection; });
}

void BackgroundBuilder::build(index::Collection& collection) {
  const std::string& name = collection.name();
  try {
    index::BuildOptions options;
    options.threads = options_.threads;
    options.progress = [this](const index::BuildProgress&) {
      if (stopping()) throw Stopped{};
    };
    const index::BuildReport report = collection.maintain(options);
    char text[128];
    std::snprintf(text, sizeof text, "%s a generation of %llu rows (%.1f MB) in %.2f s", report.kind.c_str(),
                  static_cast<unsigned long long>(report.rows), static_cast<double>(report.generation_bytes) / 1e6,
                  report.seconds);
    options_.log("collection " + name + ": " + text);
    pauses_.erase(name);
  } catch (const Stopped&) {
    options_.log("collection " + name + ": building a generation was stopped; the next start begins it anew");
  } catch (const std::exception& error) {
    if (!still_listed(collection)) return;  // deleted meanwhile, and its directory with it
    Pause& pause = pauses_[name];
    pause.length = std::min(std::max(pause.length * 2, options_.poll), options_.longest_pause);
    pause.until = Clock::now() + pause.length;
    options_.log("collection " + name + ": building a generation failed, next try in " +
                 std::to_string(pause.length.count()) + " ms: " + error.what());
  }
}

}  // namespace nestor::storage
