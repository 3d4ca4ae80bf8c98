#include "storage/certificate_codec.h"

#include <bit>
#include <cmath>
#include <span>

#include "index/error.h"
#include "index/options.h"
#include "storage/byte_order.h"
#include "storage/checksum.h"

namespace nestor::storage {

using index::Certificate;
using index::CertifiedPoint;
using index::Error;
using index::ErrorCode;

namespace {

constexpr std::uint32_t kLayout = 1;
constexpr std::uint32_t kMostCandidates = 65536;  // of a policy's numbers

[[noreturn]] void damaged(const std::string& what) { throw Error(ErrorCode::data_loss, "certificates: " + what); }

std::uint64_t checksum_of(std::string_view bytes) {
  return checksum(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

class Writer {
 public:
  template <std::unsigned_integral T>
  void number(T value) {
    append_little(out_, value);
  }
  void number(double value) { append_little(out_, std::bit_cast<std::uint64_t>(value)); }
  void number(float value) { append_little(out_, std::bit_cast<std::uint32_t>(value)); }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void number(Enum value) { append_little(out_, static_cast<std::uint8_t>(value)); }
  void text(const std::string& value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_ += value;
  }
  std::string finish() {
    append_little(out_, checksum_of(out_));
    return std::move(out_);
  }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : in_(bytes, "the record of certificates") {}

  void read(double& value) {
    value = std::bit_cast<double>(in_.little<std::uint64_t>());
    if (!std::isfinite(value)) damaged("a number is not finite");
  }
  void read(float& value) {
    value = std::bit_cast<float>(in_.little<std::uint32_t>());
    if (std::isnan(value)) damaged("a number is NaN");
  }
  template <std::unsigned_integral T>
  void read(T& value) {
    value = in_.little<T>();
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void read(Enum& value, Enum last) {
    const auto number = in_.little<std::uint8_t>();
    if (number > static_cast<std::uint8_t>(last)) damaged("an unknown kind " + std::to_string(number));
    value = static_cast<Enum>(number);
  }
  void read(std::string& value) { value = in_.take(in_.little<std::uint32_t>()); }
  std::uint32_t count(std::uint32_t most) {
    const auto n = in_.little<std::uint32_t>();
    if (n > most) damaged("a list of " + std::to_string(n) + ", at most " + std::to_string(most) + " expected");
    return n;
  }
  ByteReader& bytes() { return in_; }

 private:
  ByteReader in_;
};

void write_point(Writer& out, const CertifiedPoint& point) {
  const index::SearchPolicy& policy = point.policy;
  out.number(policy.explore);
  out.number(policy.gap);
  out.number(policy.keep);
  out.number(policy.rerank);
  out.number(static_cast<std::uint8_t>(policy.deferral ? index::kWalkFeatures : 0));
  if (policy.deferral) {
    for (const float weight : policy.deferral->weights) out.number(weight);
    for (const float value : {policy.deferral->bias, policy.deferral->threshold, policy.deferral->gap})
      out.number(value);
  }
  out.number(static_cast<std::uint8_t>(point.tested));
  for (const double value : {point.risk, point.p_value, point.evaluations, point.coordinates, point.microseconds})
    out.number(value);
}

CertifiedPoint read_point(Reader& in) {
  CertifiedPoint point;
  index::SearchPolicy& policy = point.policy;
  in.read(policy.explore);
  in.read(policy.gap);
  in.read(policy.keep);
  in.read(policy.rerank);
  for (const std::uint32_t candidates : {policy.explore, policy.keep, policy.rerank})
    if (candidates < 1 || candidates > kMostCandidates)
      damaged("a policy with " + std::to_string(candidates) + " candidates");
  std::uint8_t weights = 0, tested = 0;
  in.read(weights);
  if (weights != 0 && weights != index::kWalkFeatures) damaged("a rule of " + std::to_string(weights) + " weights");
  if (weights != 0) {
    index::DeferralRule& rule = policy.deferral.emplace();
    for (float& weight : rule.weights) in.read(weight);
    in.read(rule.bias);
    in.read(rule.threshold);
    in.read(rule.gap);
  }
  in.read(tested);
  point.tested = tested != 0;
  for (double* value : {&point.risk, &point.p_value, &point.evaluations, &point.coordinates, &point.microseconds})
    in.read(*value);
  return point;
}

void write_certificate(Writer& out, const Certificate& c) {
  out.number(c.id);
  out.number(static_cast<std::uint64_t>(c.created));
  out.number(std::uint64_t{c.state.generation});
  out.number(c.state.fingerprint);
  out.number(c.state.next_slot);
  out.number(c.state.points);
  out.number(static_cast<std::uint32_t>(c.widths.size()));
  for (const std::uint32_t width : c.widths) out.number(width);
  out.number(c.k);
  out.number(c.metric);
  out.text(c.filter);
  out.text(c.encoder);
  out.number(c.source);
  out.number(c.loss);
  for (const double value : {c.loss_parameter, c.level.epsilon, c.level.delta}) out.number(value);
  out.number(c.promise);
  out.number(c.test);
  out.number(c.queries);
  out.number(c.seed);
  out.number(static_cast<std::uint32_t>(c.path.size()));
  for (const CertifiedPoint& point : c.path) write_point(out, point);
  out.number(c.chosen);
  out.text(c.withdrawn);
}

Certificate read_certificate(Reader& in) {
  Certificate c;
  std::uint64_t created = 0, generation = 0;
  in.read(c.id);
  in.read(created);
  c.created = static_cast<std::int64_t>(created);
  in.read(generation);
  c.state.generation = generation;
  in.read(c.state.fingerprint);
  in.read(c.state.next_slot);
  in.read(c.state.points);
  c.widths.resize(in.count(index::kMaxWidths));
  for (std::uint32_t& width : c.widths) in.read(width);
  in.read(c.k);
  in.read(c.metric, index::Metric::cosine);
  in.read(c.filter);
  in.read(c.encoder);
  in.read(c.source, index::QuerySource::rows);
  in.read(c.loss, index::LossKind::total_variation);
  for (double* value : {&c.loss_parameter, &c.level.epsilon, &c.level.delta}) in.read(*value);
  in.read(c.promise, index::Promise::expected);
  in.read(c.test, index::RiskTest::betting);
  in.read(c.queries);
  in.read(c.seed);
  for (std::uint32_t left = in.count(4096); left > 0; --left) c.path.push_back(read_point(in));
  in.read(c.chosen);
  if (c.chosen >= c.path.size()) damaged("a certificate chose a policy that it has not");
  in.read(c.withdrawn);
  return c;
}

}  // namespace

std::string encode_certificates(const std::vector<Certificate>& certificates) {
  Writer out;
  out.number(kLayout);
  out.number(static_cast<std::uint32_t>(certificates.size()));
  for (const Certificate& c : certificates) write_certificate(out, c);
  return out.finish();
}

std::vector<Certificate> decode_certificates(std::string_view bytes) {
  Reader in(bytes);
  std::uint32_t layout = 0;
  in.read(layout);
  if (layout > kLayout)
    throw Error(ErrorCode::failed_precondition, "certificates have layout " + std::to_string(layout) +
                                                    ", this program reads up to " + std::to_string(kLayout));
  if (layout != kLayout) damaged("unknown layout " + std::to_string(layout));
  if (bytes.size() < 16 ||
      checksum_of(bytes.substr(0, bytes.size() - 8)) != load_little<std::uint64_t>(bytes.data() + bytes.size() - 8))
    damaged("checksum mismatch");
  std::vector<Certificate> out;
  for (std::uint32_t left = in.count(65536); left > 0; --left) out.push_back(read_certificate(in));
  in.bytes().take(8);
  in.bytes().expect_end();
  return out;
}

}  // namespace nestor::storage
