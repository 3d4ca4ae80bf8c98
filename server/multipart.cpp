#include "server/multipart.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace nestor::server {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kLongestHead = 16 << 10;

// From `begin` up to the first of `stops`, or the end.
std::string_view until(std::string_view text, std::string_view stops) {
  return text.substr(0, std::min(text.find_first_of(stops), text.size()));
}

// The value behind `key=`, with or without quotes.
std::optional<std::string_view> parameter(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    const bool starts_a_word = at > 0 && (text[at - 1] == ' ' || text[at - 1] == ';');
    std::string_view rest = text.substr(at + key.size());
    if (!starts_a_word || !rest.starts_with('=')) continue;
    rest.remove_prefix(1);
    if (!rest.starts_with('"')) return until(rest, "; \r\n");
    return until(rest.substr(1), "\"");
  }
  return std::nullopt;
}

}  // namespace

FormPartReader::FormPartReader(std::string_view content_type, std::string name) : name_(std::move(name)) {
  if (!content_type.starts_with("multipart/form-data")) return;
  const auto boundary = parameter(content_type, "boundary");
  if (boundary && !boundary->empty()) delimiter_ = std::string(kLineEnd) + "--" + std::string(*boundary);
}

void FormPartReader::feed(std::string_view bytes, std::string& content) {
  if (!is_form() || state_ == State::complete || state_ == State::over) return;
  held_ += bytes;
  while (step(content)) {
  }
}

bool FormPartReader::step(std::string& content) {
  switch (state_) {
    case State::opening: return read_opening();
    case State::boundary: return read_boundary();
    case State::head: return read_head();
    case State::content: return read_content(content);
    case State::complete:
    case State::over: break;
  }
  held_.clear();
  return false;
}

bool FormPartReader::read_opening() {
  const std::string_view opening = std::string_view(delimiter_).substr(kLineEnd.size());
  if (held_.size() < opening.size()) return false;
  state_ = held_.starts_with(opening) ? State::boundary : State::over;
  held_.erase(0, opening.size());
  return true;
}

// Two dashes are the form's end.
bool FormPartReader::read_boundary() {
  if (held_.size() < kLineEnd.size()) return false;
  state_ = held_.starts_with(kLineEnd) ? State::head : State::over;
  return true;
}

bool FormPartReader::read_head() {
  const std::size_t end = held_.find(kHeadEnd);
  if (end == std::string::npos) {
    if (held_.size() <= kLongestHead) return false;
    state_ = State::over;
    return true;
  }
  wanted_ = parameter(std::string_view(held_).substr(0, end), "name") == name_;
  // The empty line may be the beginning of the delimiter after an empty part.
  held_.erase(0, end + kLineEnd.size());
  skipped_ = kLineEnd.size();
  state_ = State::content;
  return true;
}

bool FormPartReader::read_content(std::string& content) {
  const std::size_t end = held_.find(delimiter_);
  const bool whole = end != std::string::npos;
  // The end of what has come may be the beginning of a delimiter.
  const std::size_t sure = whole ? end : held_.size() - std::min(held_.size(), delimiter_.size() - 1);
  if (!whole && sure <= skipped_) return false;
  if (wanted_ && sure > skipped_) content.append(held_, skipped_, sure - skipped_);
  skipped_ = 0;
  held_.erase(0, whole ? end + delimiter_.size() : sure);
  if (whole) state_ = wanted_ ? State::complete : State::boundary;
  return whole;
}

}  // namespace nestor::server
