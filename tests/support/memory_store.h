#pragma once
// In-memory twins of the ports that storage/ implements, for tests of index/ alone.

#include <algorithm>
#include <map>
#include <mutex>

#include "index/error.h"
#include "index/record_store.h"

namespace nestor::tests {

using namespace nestor::index;

class MemoryRecordStore : public RecordStore {
 public:
  void write(const WriteOperation& op) override {
    const std::lock_guard lock(mutex_);
    if (fail_next_write) {
      fail_next_write = false;
      throw Error(ErrorCode::resource_exhausted, "no space left (test)");
    }
    if (op.sequence <= state_.sequence) return;
    for (const auto& u : op.upserts) {
      if (u.replaced != kNoSlot) kill(u.replaced);
      rows_[u.slot] = {{u.slot, u.id, op.sequence, u.value}, {u.vector.begin(), u.vector.end()}, std::string(u.payload)};
      ids_[u.id] = u.slot;
    }
    for (const auto& e : op.erases) {
      kill(e.slot);
      ids_.erase(e.id);
    }
    for (const auto& p : op.payloads) {
      Row& row = rows_.at(p.slot);
      row.header.version = op.sequence;
      row.header.value = p.value;
      row.payload = std::string(p.payload);
    }
    state_ = {op.sequence, op.next_slot, ids_.size()};
  }
  void sync(Sequence) override {}
  StoreState state() const override {
    const std::lock_guard lock(mutex_);
    return state_;
  }
  void find(std::span<const PointId> ids, std::span<Slot> out) const override {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto it = ids_.find(ids[i]);
      out[i] = it == ids_.end() ? kNoSlot : it->second;
    }
  }
  std::optional<RowHeader> header(Slot slot) const override {
    const std::lock_guard lock(mutex_);
    const auto it = rows_.find(slot);
    return it == rows_.end() ? std::nullopt : std::optional(it->second.header);
  }
  bool read_vector(Slot slot, std::span<float> out) const override {
    const std::lock_guard lock(mutex_);
    const auto it = rows_.find(slot);
    if (it == rows_.end()) return false;
    std::copy_n(it->second.vector.begin(), out.size(), out.begin());
    return true;
  }
  std::string read_payload(Slot slot) const override {
    const std::lock_guard lock(mutex_);
    const auto it = rows_.find(slot);
    return it == rows_.end() ? std::string() : it->second.payload;
  }
  void for_each_header(Slot first, const std::function<bool(const RowHeader&)>& visit) const override {
    for (const auto& [slot, row] : snapshot())
      if (slot >= first && !visit(row.header)) return;
  }
  void for_each_payload(Slot first,
                        const std::function<bool(const RowHeader&, std::string_view)>& visit) const override {
    ++payload_scans;
    for (const auto& [slot, row] : snapshot())
      if (slot >= first && !visit(row.header, row.payload)) return;
  }
  void for_each_vector(Slot first, Slot last, std::uint32_t width,
                       const std::function<bool(Slot, std::span<const float>)>& visit) const override {
    for (const auto& [slot, row] : snapshot())
      if (slot >= first && slot < last && !visit(slot, std::span(row.vector).first(width))) return;
  }
  void for_each_dead(const std::function<void(Slot)>& visit) const override {
    for (const Slot s : dead_) visit(s);
  }
  std::vector<std::pair<PointId, Slot>> list(const std::optional<PointId>& first, std::size_t limit) const override {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<PointId, Slot>> out;
    for (auto it = first ? ids_.lower_bound(*first) : ids_.begin(); it != ids_.end() && out.size() < limit; ++it)
      out.emplace_back(it->first, it->second);
    return out;
  }

  void write_certificates(const std::vector<Certificate>& certificates) override { certificates_ = certificates; }
  std::vector<Certificate> read_certificates() const override { return certificates_; }
  void write_tuned_policy(const std::optional<TunedPolicy>& tuned) override { tuned_ = tuned; }
  std::optional<TunedPolicy> read_tuned_policy() const override { return tuned_; }

  bool fail_next_write = false;
  mutable int payload_scans = 0;

 private:
  struct Row {
    RowHeader header;
    std::vector<float> vector;
    std::string payload;
  };
  std::map<Slot, Row> snapshot() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  void kill(Slot slot) {
    rows_.erase(slot);
    dead_.push_back(slot);
  }

  mutable std::mutex mutex_;
  StoreState state_;
  std::map<Slot, Row> rows_;
  std::map<PointId, Slot> ids_;
  std::vector<Slot> dead_;
  std::vector<Certificate> certificates_;
  std::optional<TunedPolicy> tuned_;
};

class MemoryGenerationStore : public GenerationStore {
 public:
  void publish(Sequence sequence, const std::vector<Section>& sections) override {
    auto held = std::make_shared<Held>();
    for (const Section& s : sections) {
      // 64-byte aligned copies, as on disk.
      auto* copy = static_cast<std::byte*>(std::aligned_alloc(64, (s.bytes.size() + 127) / 64 * 64));
      std::copy(s.bytes.begin(), s.bytes.end(), copy);
      held->blocks.emplace_back(copy, &std::free);
      held->sections.push_back({s.name, {copy, s.bytes.size()}});
    }
    std::uint64_t fingerprint = 14695981039346656037ull;  // FNV-1a
    for (const Section& s : held->sections)
      for (const std::byte b : s.bytes) fingerprint = (fingerprint ^ static_cast<std::uint64_t>(b)) * 1099511628211ull;
    newest_ = LoadedSections{sequence, held->sections, held, fingerprint};
  }
  std::optional<LoadedSections> load_newest(const std::function<void(const std::string&)>&) override { return newest_; }

  std::optional<LoadedSections> newest_;

 private:
  struct Held {
    std::vector<std::unique_ptr<std::byte, decltype(&std::free)>> blocks;
    std::vector<Section> sections;
  };
};

}  // namespace nestor::tests
