#include "client/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "client/cli/text.h"

namespace nestor::client {

namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainLine = std::chrono::seconds(5);  // in a log file or a CI console
constexpr double kWorthALine = 1.0;                   // seconds
constexpr std::size_t kBarWidth = 24;

}  // namespace

Progress::Progress(std::string label, std::uint64_t first, std::uint64_t total)
    : label_(std::move(label)),
      first_(first),
      total_(total),
      done_(first),
      terminal_(::isatty(STDERR_FILENO) == 1),
      begun_(Clock::now()),
      shown_(begun_) {}

Progress::~Progress() {
  if (drawn_) std::cerr << std::endl;
}

std::string Progress::line(double seconds) const {
  const double share = total_ == 0 ? 1.0 : static_cast<double>(std::min(done_, total_)) / static_cast<double>(total_);
  const double rate = seconds > 0 ? static_cast<double>(done_ - first_) / seconds : 0;
  std::string text = label_ + std::string(label_.size() < 20 ? 20 - label_.size() : 0, ' ') + " ";
  if (terminal_) {
    const auto filled = static_cast<std::size_t>(share * kBarWidth);
    text += "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] ";
  }
  text += fixed(100 * share, 0) + " %  " + with_commas(done_) + " of " + with_commas(total_) + " rows";
  if (rate > 0) {
    text += "  " + with_commas(static_cast<std::uint64_t>(rate)) + " rows/s";
    if (total_ > done_) text += "  ETA " + human_seconds(static_cast<double>(total_ - done_) / rate);
  }
  return text;
}

void Progress::update(std::uint64_t done) {
  // Several threads may report through one counter; a late report must not turn the bar back.
  done_ = std::max(done_, done);
  const Clock::time_point now = Clock::now();
  if (now - shown_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine))) return;
  shown_ = now;
  const std::string text = line(std::chrono::duration<double>(now - begun_).count());
  if (terminal_) {
    std::cerr << '\r' << text << "\033[K" << std::flush;
    drawn_ = true;
  } else {
    std::cerr << text << std::endl;
  }
}

void Progress::finish() {
  const double seconds = std::chrono::duration<double>(Clock::now() - begun_).count();
  done_ = total_;
  if (drawn_) std::cerr << "\r\033[K";
  drawn_ = false;
  if (seconds < kWorthALine) return;
  const double rate = static_cast<double>(total_ - first_) / seconds;
  std::cerr << label_ << ": " << with_commas(total_ - first_) << " rows in " << human_seconds(seconds) << ", "
            << with_commas(static_cast<std::uint64_t>(rate)) << " rows/s" << std::endl;
}

void PhaseProgress::update(const std::string& phase, std::uint64_t done, std::uint64_t total) {
  if (total <= 1) return;  // a step without rows, such as publishing
  if (!bar_ || bar_->label() != phase || bar_->total() != total) {
    finish();
    bar_.emplace(phase, 0, total);
  }
  bar_->update(done);
}

void PhaseProgress::finish() {
  if (bar_) bar_->finish();
  bar_.reset();
}

}  // namespace nestor::client
