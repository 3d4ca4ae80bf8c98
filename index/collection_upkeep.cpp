#include <algorithm>
#include <chrono>
#include <utility>

#include "index/collection_impl.h"
#include "index/error.h"
#include "index/generation_builder.h"
#include "index/long_tail.h"
#include "index/recall_report.h"

namespace nestor::index {
namespace {

constexpr std::size_t kSmallestFold = 5000;        // tail rows that make a fold worth its while, and at least
constexpr double kFoldShare = 0.05;                // ... this share of the generation: a fold writes all of it again
constexpr std::size_t kSmallestCompaction = 5000;  // dead slots that make a compaction worth its while, and at least
constexpr double kCompactionShare = 0.25;          // ... this share of all slots: a walk passes through the dead

}  // namespace

void Collection::Impl::replace_view(View next) {
  auto shared = std::make_shared<const View>(std::move(next));
  {
    const std::lock_guard lock(view_mutex);
    view.swap(shared);
  }
  room.notify_all();
}

// ---- opening ----

void Collection::Impl::load() {
  const StoreState state = records->state();
  sequence = state.sequence;
  last_sequence = state.sequence;
  next_slot = state.next_slot;
  next_slot_now = next_slot;
  points = state.points;
  dead->reserve(next_slot);
  records->for_each_dead([&](Slot slot) { dead->insert(slot); });
  auto generation = load_generation();
  auto tail = read_tail(generation);
  replace_view({std::move(generation), std::move(tail), dead, records, nullptr, std::make_shared<LiveShare>(),
                load_tuned_policy()});
  load_certificates();
}

std::shared_ptr<const Generation> Collection::Impl::load_generation() {
  const auto on_damage = [&](const std::string& what) { say(what); };
  try {
    if (const auto loaded = generations->load_newest(on_damage)) {
      auto generation = Generation::open(*loaded, options);
      if (generation->sequence() <= sequence && generation->next_slot() <= next_slot) return generation;
      say("the generation is newer than the records; it is ignored and will be rebuilt");
    } else if (points >= options.exact_below) {
      say("no usable generation; exact search serves until it is rebuilt from the records");
    }
  } catch (const Error& e) {
    if (e.code() != ErrorCode::data_loss) throw;
    say(std::string(e.what()) + "; exact search serves until it is rebuilt from the records");
  }
  return std::make_shared<Generation>();
}

std::shared_ptr<Tail> Collection::Impl::new_tail(const std::shared_ptr<const Generation>& generation) const {
  return std::make_shared<Tail>(options.dim, RowCoder::of(generation));
}

std::shared_ptr<Tail> Collection::Impl::read_tail(const std::shared_ptr<const Generation>& generation) const {
  auto tail = new_tail(generation);
  // Two sequential passes: reading each row's vector by itself takes a hundred times longer.
  std::vector<RowHeader> headers;
  records->for_each_header(generation->next_slot(), [&](const RowHeader& header) {
    headers.push_back(header);
    return true;
  });
  auto header = headers.begin();
  records->for_each_vector(
      generation->next_slot(), next_slot, options.dim, [&](Slot slot, std::span<const float> row) {
        while (header != headers.end() && header->slot < slot) ++header;
        if (header == headers.end()) return false;
        if (header->slot == slot)
          tail->append({slot, PointEntry::make(header->id, header->version), header->value.value_or(kNoValue)}, row);
        return true;
      });
  tail->publish();
  return tail;
}

// ---- generations ----

void Collection::Impl::put_in_force(std::shared_ptr<const Generation> generation) {
  const auto before = current();
  auto tail = new_tail(generation);
  std::size_t carried = 0;
  const auto carry = [&] {
    for (const std::size_t end = before->tail->size(); carried < end; ++carried) {
      const TailRow& row = before->tail->row(carried);
      if (row.slot < generation->next_slot() || before->dead->contains(row.slot)) continue;
      tail->reserve(1);
      tail->append(row, {before->tail->vector(carried), options.dim});
    }
  };
  carry();
  const std::lock_guard lock(write_mutex);
  carry();
  tail->publish();
  View next = *before;
  next.generation = std::move(generation);
  next.live_share = std::make_shared<LiveShare>();
  next.tail = std::move(tail);
  replace_view(std::move(next));
}

std::shared_ptr<const Generation> Collection::Impl::publish(GenerationStore& store, const BuiltGeneration& built,
                                                            const BuildOptions& build, BuildReport& report) const {
  if (build.progress) build.progress({"publishing", 0, 1});
  store.publish(built.sequence, built.sections);
  for (const Section& s : built.sections) report.generation_bytes += s.bytes.size();
  report.notes = built.notes;
  const auto loaded = store.load_newest([&](const std::string& what) { say(what); });
  if (!loaded) throw Error(ErrorCode::data_loss, "the generation just written cannot be read back");
  auto generation = Generation::open(*loaded, options);
  report.rows = generation->rows();
  report.recall = report_recall(*generation, options);
  return generation;
}

template <class Work>
BuildReport Collection::Impl::run_build(const char* kind, const BuildOptions& build, Work&& work) {
  const std::lock_guard one_build(build_mutex);
  const auto started = std::chrono::steady_clock::now();
  building = true;
  struct Reset {
    Impl& impl;
    ~Reset() {
      impl.building = false;
      impl.room.notify_all();
    }
  } reset{*this};
  BuildReport report;
  report.kind = kind;
  work(report);
  if (build.progress) build.progress({"publishing", 1, 1});
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return report;
}

BuildReport Collection::Impl::build(const BuildOptions& build) {
  return run_build("built", build, [&](BuildReport& report) {
    const auto before = current();
    auto built = build_generation(*before->records, options, before->generation.get(), build);
    auto generation = publish(*generations, *built, build, report);
    built.reset();
    put_in_force(std::move(generation));
  });
}

BuildReport Collection::Impl::fold(const BuildOptions& build) {
  return run_build("folded", build, [&](BuildReport& report) {
    const auto before = current();
    std::unique_lock lock(write_mutex);
    const FoldInput input{*before->generation, *before->tail, before->tail->size(),
                          *before->dead,       sequence,      next_slot};
    lock.unlock();
    auto built = fold_generation(input, options, build);
    auto generation = publish(*generations, *built, build, report);
    built.reset();
    put_in_force(std::move(generation));
  });
}

// ---- compaction ----

SlotChanges Collection::Impl::take_changes() {
  return std::exchange(*changes, SlotChanges{});
}

BuildReport Collection::Impl::compact(const BuildOptions& build) {
  if (!succession) throw Error(ErrorCode::failed_precondition, "this collection has no place to be compacted to");
  return run_build("compacted", build, [&](BuildReport& report) {
    const std::unique_ptr<StoreSuccessor> successor = succession();
    struct StopNoting {
      Impl& impl;
      ~StopNoting() {
        const std::lock_guard lock(impl.write_mutex);
        impl.changes.reset();
      }
    } stop{*this};
    const auto before = current();
    RowMigration migration(*before->records, *successor, options.dim);
    StoreState state;
    {
      const std::lock_guard lock(write_mutex);
      changes.emplace();
      state = {sequence, next_slot, 0};
    }
    migration.copy(state.next_slot, nullptr, [&](std::uint64_t done) {
      if (build.progress) build.progress({"copying rows", done, state.next_slot});
    });
    successor->seal({state.sequence, migration.next_slot(), migration.alive()});
    auto built = build_generation(*successor->records(), options, before->generation.get(), build);
    auto generation = publish(*successor->generations(), *built, build, report);
    built.reset();
    take_over(*successor, migration, std::move(generation));
    try {
      successor->finish();
    } catch (const Error& e) {
      say("after a compaction: " + std::string(e.what()));
    }
  });
}

void Collection::Impl::take_over(StoreSuccessor& successor, RowMigration& migration,
                                 std::shared_ptr<const Generation> generation) {
  constexpr int kRounds = 4;
  constexpr std::size_t kFewChanges = 1000;
  auto tail = new_tail(generation);
  for (int round = 0; round < kRounds; ++round) {
    std::unique_lock lock(write_mutex);
    const SlotChanges noted = take_changes();
    const Slot end = next_slot;
    lock.unlock();
    const Slot from = migration.next_slot();
    migration.follow(noted, end, tail.get());
    if (noted.size() + migration.next_slot() - from < kFewChanges) break;
  }
  auto now_dead = std::make_shared<DeadSlots>();
  now_dead->reserve(migration.next_slot());
  const std::lock_guard certificate_lock(certificate_mutex);
  const std::lock_guard lock(write_mutex);
  migration.follow(take_changes(), next_slot, tail.get());
  now_dead->reserve(migration.next_slot());
  for (const Slot slot : migration.dead()) now_dead->insert(slot);
  tail->publish();
  auto renumbering = std::make_shared<Renumbering>();
  View next = *current();
  renumbering->from = next.numbering();
  renumbering->new_slot = migration.take_map();
  next.generation = std::move(generation);
  next.live_share = std::make_shared<LiveShare>();
  next.tail = std::move(tail);
  next.dead = now_dead;
  next.records = successor.records();
  next.renumbering = std::move(renumbering);
  if (!book.all()->empty()) next.records->write_certificates(*book.all());
  if (next.tuned) next.records->write_tuned_policy(*next.tuned);
  successor.seal({sequence, migration.next_slot(), points.load()});
  successor.take_over();  // the durable point; nothing below throws
  records = next.records;
  generations = successor.generations();
  dead = std::move(now_dead);
  next_slot = migration.next_slot();
  next_slot_now = next_slot;
  ++compactions;
  replace_view(std::move(next));
}

Collection::Impl::Due Collection::Impl::due() const {
  const auto v = current();
  const std::uint64_t dead_slots = v->dead->count(), slots = dead_slots + points.load();
  if (succession && dead_slots >= share_of(slots, kCompactionShare, kSmallestCompaction)) return Due::compaction;
  if (points.load() < options.exact_below) return Due::nothing;
  // Rows that were folded in fit the layout no longer: searches scan until another one is found.
  const auto& policy = v->generation->default_policy();
  if (policy && policy->folded && policy->scans) return Due::build;
  if (v->tail->size() < share_of(v->generation->rows(), kFoldShare, kSmallestFold)) return Due::nothing;
  return v->generation->rows() == 0 ? Due::build : Due::fold;
}

}  // namespace nestor::index
