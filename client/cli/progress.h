#pragma once
// Progress on stderr: one line that is drawn over on a terminal, now and then a plain line elsewhere.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace nestor::client {

// Not thread-safe. Going out of scope without finish() leaves the terminal on a fresh line.
class Progress {
 public:
  Progress(std::string label, std::uint64_t first, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  const std::string& label() const { return label_; }
  std::uint64_t total() const { return total_; }
  // Rows done, counted from 0; cheap to call often.
  void update(std::uint64_t done);
  // Says how long it took; silent for what was over at once.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  std::string line(double seconds) const;

  std::string label_;
  std::uint64_t first_;  // where this run began (resumed imports), for the rate
  std::uint64_t total_;
  std::uint64_t done_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point begun_;
  Clock::time_point shown_;
};

// One bar after the other, by the name of what is under way. Not thread-safe.
class PhaseProgress {
 public:
  void update(const std::string& phase, std::uint64_t done, std::uint64_t total);
  void finish();

 private:
  std::optional<Progress> bar_;
};

}  // namespace nestor::client
