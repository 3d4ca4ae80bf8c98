#include "index/generation_builder.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "index/error.h"
#include "index/layout_search.h"
#include "index/parallel.h"
#include "index/row_copies.h"
#include "index/walk_limits.h"

namespace nestor::index {
namespace {

constexpr std::size_t kRotationSample = 20'000;  // rows; enough for a covariance of 1,000 coordinates
constexpr double kWantedRecall = 0.99;           // where nobody said another
// Questions that measure a build: as many as 40 thousand million multiplications answer exactly (seconds).
constexpr double kQuestionWork = 4e10, kLeastQuestions = 256, kMostQuestions = 800;

// Forwards progress from many threads, one call at a time.
class Progress {
 public:
  explicit Progress(const BuildOptions& build) : callback_(build.progress) {}
  void report(const std::string& phase, std::uint64_t done, std::uint64_t total) {
    if (!callback_) return;
    const std::lock_guard lock(mutex_);
    callback_({phase, done, total});
  }

 private:
  const std::function<void(const BuildProgress&)>& callback_;
  std::mutex mutex_;
};

class Builder {
 public:
  Builder(const CollectionOptions& options, const Generation* previous, const BuildOptions& build)
      : options_(options),
        previous_(previous),
        build_(build),
        progress_(build),
        threads_(build.deterministic ? 1 : thread_count(build.threads)),
        out_(std::make_shared<BuiltGeneration>()) {}

  std::shared_ptr<BuiltGeneration> build(const RecordStore& records) {
    const StoreState state = records.state();
    read_rows(records, state);
    return finish(state.sequence, state.next_slot);
  }

  std::shared_ptr<BuiltGeneration> fold(const FoldInput& input) {
    base_ = input.base.graphs().empty() ? nullptr : &input.base;
    dead_ = &input.dead;
    take_rows(input);
    return finish(input.sequence, input.next_slot);
  }

 private:
  std::shared_ptr<BuiltGeneration> finish(Sequence sequence, Slot next_slot) {
    if (count_ > kMaxRows) throw Error(ErrorCode::resource_exhausted, "a collection holds at most 2^31 rows");
    out_->sequence = sequence;
    learn_rotation();
    store_rows();
    add_values("meta", std::vector<std::uint64_t>{1, sequence, next_slot, count_});
    add_values("slots", slots_);
    add_values("points", points_);
    add_values("values", values_);
    if (base_ != nullptr || count_ >= std::max<std::size_t>(options_.exact_below, 1)) {
      set_copies_apart();
      choose_layout();
    }
    return out_;
  }

  void add_section(const std::string& name, std::span<const std::byte> bytes) {
    out_->sections.push_back({name, bytes});
  }
  template <class T>
  void add_values(const std::string& name, const std::vector<T>& values) {
    out_->blocks.emplace_back(values.size() * sizeof(T));
    if (!values.empty()) std::memcpy(out_->blocks.back().data(), values.data(), values.size() * sizeof(T));
    add_section(name, out_->blocks.back());
  }

  // Headers and vectors are read in two passes; a row that dies between them is left out, one that dies later is
  // known as dead to the collection.
  void read_rows(const RecordStore& records, const StoreState& state) {
    const std::size_t dim = options_.dim;
    rows_ = HugeBuffer(state.points * dim * sizeof(float));
    auto* target = reinterpret_cast<float*>(rows_.data());
    records.for_each_vector(0, state.next_slot, options_.dim, [&](Slot slot, std::span<const float> row) {
      if (count_ == state.points) return false;  // cannot grow: slots below next_slot only die
      std::memcpy(target + count_ * dim, row.data(), dim * sizeof(float));
      slots_.push_back(slot);
      if (++count_ % 4096 == 0) progress_.report("reading rows", count_, state.points);
      return true;
    });
    progress_.report("reading rows", count_, state.points);
    points_.resize(count_);
    values_.assign(count_, kNoValue);
    std::size_t r = 0;
    std::vector<bool> found(count_, false);
    records.for_each_header(0, [&](const RowHeader& header) {
      while (r < count_ && slots_[r] < header.slot) ++r;
      if (r == count_) return false;
      if (slots_[r] != header.slot) return true;
      points_[r] = PointEntry::make(header.id, header.version);
      if (header.value) values_[r] = *header.value;
      found[r] = true;
      return true;
    });
    drop_lost(found);
  }

  // Rows of the base, all of them where its graphs stay, then the tail's that live.
  void take_rows(const FoldInput& input) {
    const std::size_t dim = options_.dim;
    const RowMatrix& matrix = input.base.matrix();
    rows_ = HugeBuffer((matrix.rows + input.tail_rows) * dim * sizeof(float));
    auto* target = reinterpret_cast<float*>(rows_.data());
    const auto add = [&](Slot slot, const PointEntry& point, std::uint32_t value) {
      slots_.push_back(slot);
      points_.push_back(point);
      values_.push_back(value);
      return target + count_++ * dim;
    };
    for (std::uint32_t r = 0; r < matrix.rows; ++r) {
      if (base_ == nullptr && input.dead.contains(input.base.slot_of(r))) continue;
      float* row = add(input.base.slot_of(r), input.base.point(r), input.base.value(r));
      if (matrix.scalar_type == ScalarType::float32)
        std::memcpy(row, matrix.row(r), dim * sizeof(float));
      else
        kernels().f32_from_f16(reinterpret_cast<const std::uint16_t*>(matrix.row(r)), row, dim);
    }
    for (std::size_t i = 0; i < input.tail_rows; ++i) {
      const TailRow& row = input.tail.row(i);
      if (input.dead.contains(row.slot)) continue;
      std::memcpy(add(row.slot, row.point, row.value), input.tail.vector(i), dim * sizeof(float));
    }
    progress_.report("reading rows", count_, count_);
  }

  void drop_lost(const std::vector<bool>& found) {
    const std::size_t dim = options_.dim;
    auto* rows = reinterpret_cast<float*>(rows_.data());
    std::size_t kept = 0;
    for (std::size_t r = 0; r < count_; ++r) {
      if (!found[r]) continue;
      if (kept != r) {
        std::memmove(rows + kept * dim, rows + r * dim, dim * sizeof(float));
        slots_[kept] = slots_[r];
        points_[kept] = points_[r];
        values_[kept] = values_[r];
      }
      ++kept;
    }
    count_ = kept;
    slots_.resize(kept);
    points_.resize(kept);
    values_.resize(kept);
  }

  // Learns or keeps the rotation; rows stay as they are, only their codes are rotated.
  void learn_rotation() {
    if (options_.rotation == Rotation::none || count_ == 0) return;
    const std::size_t dim = options_.dim;
    if (previous_ != nullptr && previous_->rotation() != nullptr) {
      rotation_ = *previous_->rotation();
    } else {
      progress_.report("learning rotation", 0, count_);
      const auto sample = sample_rows(reinterpret_cast<const float*>(rows_.data()), count_, dim, kRotationSample);
      rotation_ = PcaRotation::learn(sample, sample.size() / dim, options_.dim, options_.metric == Metric::l2);
    }
    const auto bytes = rotation_->bytes();
    out_->blocks.emplace_back(bytes.begin(), bytes.end());
    add_section("rotation", out_->blocks.back());
  }

  const float* rows() const { return values_of_rows_; }

  void set_copies_apart() {
    progress_.report("looking for equal rows", 0, count_);
    const std::size_t settled = base_ == nullptr ? 0 : base_->rows();
    copies_ = find_copies(rows(), count_, options_.dim, settled,
                          base_ == nullptr ? std::span<const RowCopy>() : base_->copies().all(), threads_);
    if (copies_.empty()) return;
    out_->blocks.push_back(RowCopies::to_bytes(copies_));
    add_section("copies", out_->blocks.back());
    out_->notes.push_back(std::to_string(copies_.size()) + " of " + std::to_string(count_) +
                          " rows equal another one; they follow it where it is found");
  }

  void choose_layout() {
    const RecallQuestions asked = ask();
    LayoutSearchInput input;
    input.options = &options_;
    input.build = &build_;
    input.rows = rows();
    input.count = count_;
    input.rotation = rotation_ ? &*rotation_ : nullptr;
    input.copies = copies_;
    input.base = base_;
    input.dead = dead_;
    input.wanted_recall = wanted_recall();
    input.threads = threads_;
    input.common = out_->loaded();
    input.progress = [this](const std::string& phase, std::uint64_t done, std::uint64_t total) {
      progress_.report(phase, done, total);
    };
    keep(search_layout(input, asked, out_->notes));
  }

  RecallQuestions ask() {
    progress_.report("asking for exact neighbours", 0, 1);
    std::vector<std::uint32_t> live;
    for (std::uint32_t r = 0; r < count_; ++r)
      if (!dead_->contains(slots_[r])) live.push_back(r);
    const double per_question = static_cast<double>(count_) * options_.dim;
    const auto wanted = static_cast<std::size_t>(std::clamp(kQuestionWork / per_question, kLeastQuestions, kMostQuestions));
    return ask_exactly({rows(), count_, options_.dim, ScalarType::float32}, live, options_, build_.queries, wanted,
                       threads_);
  }

  double wanted_recall() const {
    if (build_.wanted_recall) return *build_.wanted_recall;
    const bool known = previous_ != nullptr && previous_->default_policy() && previous_->default_policy()->wanted_recall > 0;
    return known ? static_cast<double>(previous_->default_policy()->wanted_recall) : kWantedRecall;
  }

  void keep(LaidOut found) {
    const std::vector<Section> sections = found.sections();
    out_->sections.insert(out_->sections.end(), sections.begin(), sections.end());
    out_->blocks.push_back(std::move(found.layout_bytes));  // where the section points to
    if (!found.codes->reason().empty()) out_->notes.push_back(found.codes->reason());
    out_->codes = std::move(found.codes);
    out_->graphs = std::move(found.graphs);
    out_->blocks.push_back(found.policy.to_bytes());
    add_section("policy", out_->blocks.back());
    out_->notes.push_back(found.policy.choice);
    out_->policy = std::move(found.policy);
  }

  void store_rows() {
    const std::size_t dim = options_.dim;
    values_of_rows_ = reinterpret_cast<const float*>(rows_.data());
    if (options_.scalar_type == ScalarType::float32) {
      out_->buffers.push_back(std::move(rows_));
      add_section("rows", out_->buffers.back().bytes().first(count_ * dim * sizeof(float)));
      return;
    }
    HugeBuffer half(count_ * dim * sizeof(std::uint16_t));
    auto* target = reinterpret_cast<std::uint16_t*>(half.data());
    parallel_blocks(count_, 4096, threads_, [&](std::size_t first, std::size_t last) {
      kernels().f16_from_f32(rows() + first * dim, target + first * dim, (last - first) * dim);
    });
    out_->buffers.push_back(std::move(half));
    add_section("rows", out_->buffers.back().bytes());
  }

  const CollectionOptions& options_;
  const Generation* previous_;        // its rotation is kept
  const Generation* base_ = nullptr;  // its graphs are kept, and its rows come first
  const BuildOptions& build_;
  Progress progress_;
  unsigned threads_;
  std::shared_ptr<BuiltGeneration> out_;
  const DeadSlots none_;
  const DeadSlots* dead_ = &none_;  // rows of the base among them stay in the graphs

  std::size_t count_ = 0;
  HugeBuffer rows_;  // float32; handed on where they are stored as such
  const float* values_of_rows_ = nullptr;
  std::vector<RowCopy> copies_;
  std::vector<Slot> slots_;
  std::vector<PointEntry> points_;
  std::vector<std::uint32_t> values_;
  std::optional<PcaRotation> rotation_;
};

}  // namespace

std::shared_ptr<BuiltGeneration> build_generation(const RecordStore& records, const CollectionOptions& options,
                                                  const Generation* previous, const BuildOptions& build) {
  return Builder(options, previous, build).build(records);
}

std::shared_ptr<BuiltGeneration> fold_generation(const FoldInput& input, const CollectionOptions& options,
                                                 const BuildOptions& build) {
  return Builder(options, &input.base, build).fold(input);
}

}  // namespace nestor::index
