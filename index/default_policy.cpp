#include "index/default_policy.h"

#include <algorithm>
#include <cstring>

#include "index/error.h"

namespace nestor::index {
namespace {

struct FirstBytes {
  std::uint32_t version;
  float gap, wanted, measured;
};
struct PolicyBytes {
  FirstBytes first;
  float low, high;
  std::uint32_t queries, explore, beam, flags, text;
};
constexpr std::uint32_t kFirstVersion = 1, kVersion = 2;
constexpr std::uint32_t kReached = 1, kScans = 2, kFolded = 4, kAskedQueries = 8;

[[noreturn]] void damaged() { throw Error(ErrorCode::data_loss, "the generation's default policy cannot be read"); }

}  // namespace

std::vector<std::byte> DefaultPolicy::to_bytes() const {
  const std::uint32_t flags = (reached ? kReached : 0u) | (scans ? kScans : 0u) | (folded ? kFolded : 0u) |
                              (asked_queries ? kAskedQueries : 0u);
  const PolicyBytes bytes{{kVersion, gap, wanted_recall, measured_recall}, low, high, queries, explore, beam, flags,
                          static_cast<std::uint32_t>(choice.size())};
  std::vector<std::byte> out(sizeof bytes + choice.size());
  std::memcpy(out.data(), &bytes, sizeof bytes);
  if (!choice.empty()) std::memcpy(out.data() + sizeof bytes, choice.data(), choice.size());
  return out;
}

DefaultPolicy DefaultPolicy::from_bytes(std::span<const std::byte> section) {
  PolicyBytes bytes{};
  std::memcpy(&bytes, section.data(), std::min(section.size(), sizeof bytes));
  const FirstBytes& first = bytes.first;
  const bool old = first.version == kFirstVersion && section.size() == sizeof first;
  const bool fits = first.version == kVersion && section.size() == sizeof bytes + std::size_t{bytes.text};
  if ((!old && !fits) || !(first.gap >= 0 && first.gap < 100) || (old && first.gap == 0) ||
      (fits && (bytes.explore < 1 || bytes.explore > 65536 || bytes.beam < 1 || bytes.beam > 1024)))
    damaged();
  DefaultPolicy out;
  out.gap = first.gap;
  out.wanted_recall = first.wanted;
  out.measured_recall = first.measured;
  if (old) {
    out.reached = first.measured >= first.wanted;
    return out;
  }
  out.low = bytes.low;
  out.high = bytes.high;
  out.queries = bytes.queries;
  out.explore = bytes.explore;
  out.beam = bytes.beam;
  out.reached = (bytes.flags & kReached) != 0;
  out.scans = (bytes.flags & kScans) != 0;
  out.folded = (bytes.flags & kFolded) != 0;
  out.asked_queries = (bytes.flags & kAskedQueries) != 0;
  out.choice.assign(reinterpret_cast<const char*>(section.data() + sizeof bytes), bytes.text);
  return out;
}

}  // namespace nestor::index
