#include "storage/tuned_policy_codec.h"

#include <bit>
#include <span>

#include "index/error.h"
#include "index/options.h"
#include "storage/byte_order.h"
#include "storage/checksum.h"

namespace nestor::storage {
namespace {

constexpr std::uint32_t kLayout = 1, kMostCandidates = 65536;

[[noreturn]] void damaged(const std::string& what) {
  throw index::Error(index::ErrorCode::data_loss, "tuned policy: " + what);
}

std::uint64_t checksum_of(std::string_view bytes) {
  return checksum(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

}  // namespace

std::string encode_tuned_policy(const index::TunedPolicy& tuned) {
  std::string out;
  append_little(out, kLayout);
  append_little(out, tuned.policy.explore);
  append_little(out, std::bit_cast<std::uint32_t>(tuned.policy.gap));
  for (const std::uint32_t number : {tuned.policy.keep, tuned.policy.rerank, tuned.k}) append_little(out, number);
  append_little(out, std::bit_cast<std::uint64_t>(tuned.recall));
  append_little(out, tuned.queries);
  append_little(out, checksum_of(out));
  return out;
}

index::TunedPolicy decode_tuned_policy(std::string_view bytes) {
  ByteReader in(bytes, "the tuned policy");
  if (const auto layout = in.little<std::uint32_t>(); layout != kLayout) {
    if (layout > kLayout)
      throw index::Error(index::ErrorCode::failed_precondition,
                         "tuned policy: layout " + std::to_string(layout) + " is newer than this program");
    damaged("layout " + std::to_string(layout));
  }
  index::TunedPolicy tuned;
  tuned.policy.explore = in.little<std::uint32_t>();
  tuned.policy.gap = std::bit_cast<float>(in.little<std::uint32_t>());
  for (std::uint32_t* number : {&tuned.policy.keep, &tuned.policy.rerank, &tuned.k})
    *number = in.little<std::uint32_t>();
  tuned.recall = std::bit_cast<double>(in.little<std::uint64_t>());
  tuned.queries = in.little<std::uint64_t>();
  constexpr std::size_t kChecksum = sizeof(std::uint64_t), kSize = 6 * 4 + 2 * 8 + kChecksum;
  if (in.little<std::uint64_t>() != checksum_of(bytes.substr(0, kSize - kChecksum)) || bytes.size() != kSize)
    damaged("its checksum does not fit");
  for (const std::uint32_t number : {tuned.policy.explore, tuned.policy.keep, tuned.policy.rerank})
    if (number < 1 || number > kMostCandidates) damaged(std::to_string(number) + " candidates");
  if (!(tuned.policy.gap >= 0 && tuned.policy.gap <= 100) || tuned.k < 1 || tuned.k > index::kMaxNeighbours)
    damaged("a number is out of range");
  return tuned;
}

}  // namespace nestor::storage
