#include "storage/collection_home.h"

#include <cinttypes>
#include <cstdio>
#include <random>
#include <utility>

#include "index/error.h"
#include "storage/rocks_options.h"
#include "storage/sealed_text.h"

namespace nestor::storage {

namespace fs = std::filesystem;

namespace {

using index::Error;
using index::ErrorCode;

constexpr char kCurrent[] = "CURRENT";
constexpr std::string_view kCurrentHead = "nestor-collection 1";
constexpr std::size_t kCurrentLimit = 4096;
constexpr std::string_view kRocksPrefix = "rocks-";
constexpr char kGenerations[] = "generations";
constexpr std::string_view kGenerationsPrefix = "generations-";
constexpr char kExportedRocks[] = "rocks";

bool is_rocks(std::string_view entry) { return entry.starts_with(kRocksPrefix); }
bool is_generations(std::string_view entry) { return entry == kGenerations || entry.starts_with(kGenerationsPrefix); }

}  // namespace

std::string random_digits() {
  std::random_device device;
  char text[24];
  std::snprintf(text, sizeof text, "%016" PRIx64, std::uint64_t{device()} << 32 | device());
  return text;
}

void CollectionHome::create(const fs::path& directory, const index::CollectionOptions& options,
                            const std::string& attributes, const std::shared_ptr<StoreResources>& resources) {
  make_directory(directory / kGenerations);
  // A name of its own for each RocksDB that there ever was: whoever still holds a deleted one works by absolute path,
  // and must never meet the files of its successor.
  RocksStore::create(directory / (std::string(kRocksPrefix) + random_digits()), options, attributes, resources);
  sync_directory(directory);
}

void CollectionHome::rename_export(const fs::path& directory) {
  const std::string digits = random_digits();
  const Directory home(directory);
  home.rename(kExportedRocks, std::string(kRocksPrefix) + digits);
  if (!home.exists(kGenerations)) make_directory(directory / kGenerations);
  home.rename(kGenerations, std::string(kGenerationsPrefix) + digits);
  home.replace(kCurrent, seal_lines({std::string(kCurrentHead), std::string(kRocksPrefix) + digits,
                                     std::string(kGenerationsPrefix) + digits}));
}

CollectionHome::CollectionHome(const fs::path& directory, std::shared_ptr<StoreResources> resources, const Log& log,
                               RocksStore::Log rows)
    : path_(directory), resources_(std::move(resources)), directory_(directory), names_(find_names(log)) {
  records_ = RocksStore::open(path_ / names_.rocks, resources_, rows);
  generations_ = std::make_shared<GenerationDirectory>(path_ / names_.generations, resources_->residency);
}

std::shared_ptr<RocksStore> CollectionHome::records() const {
  const std::lock_guard lock(mutex_);
  return records_;
}

std::shared_ptr<GenerationDirectory> CollectionHome::generations() const {
  const std::lock_guard lock(mutex_);
  return generations_;
}

CollectionHome::Names CollectionHome::find_names(const Log& log) const {
  std::vector<std::string> rocks;
  for (const std::string& entry : directory_.files())
    if (is_rocks(entry)) rocks.push_back(entry);
  std::string trouble = "CURRENT is missing";
  try {
    const auto lines = unseal_lines(directory_.read(kCurrent, kCurrentLimit), kCurrentHead, 2);
    if (!is_rocks(lines[0]) || !is_generations(lines[1])) throw Error(ErrorCode::data_loss, "names impossible files");
    if (directory_.exists(lines[0])) return {lines[0], lines[1]};
    throw Error(ErrorCode::data_loss, "names " + lines[0] + ", which is missing");
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) {
      trouble = std::string("CURRENT ") + error.what();
      if (error.code() != ErrorCode::data_loss || rocks.size() != 1)
        throw Error(error.code(), path_.string() + ": " + trouble);
      if (log) log(directory_.name_of(kCurrent) + ": " + error.what() + "; the only rows there are are used");
    }
  }
  if (rocks.empty()) throw Error(ErrorCode::data_loss, path_.string() + " holds no rows (no directory rocks-*)");
  if (rocks.size() > 1)
    throw Error(ErrorCode::data_loss, path_.string() + " holds " + std::to_string(rocks.size()) +
                                          " directories rocks-* and no file CURRENT that tells which is in force");
  // Graphs made for other rows would be worse than none: take those of the same name, else the unnamed ones.
  const std::string twin = std::string(kGenerationsPrefix) + rocks.front().substr(kRocksPrefix.size());
  return {rocks.front(), directory_.exists(twin) ? twin : kGenerations};
}

// Best effort: what cannot be removed now is tried again at the next opening.
void CollectionHome::remove_leftovers() const {
  for (const std::string& entry : directory_.files())
    if ((is_rocks(entry) && entry != names_.rocks) || (is_generations(entry) && entry != names_.generations))
      remove_tree(path_ / entry);
}

void CollectionHome::put_in_force(const Names& names) {
  directory_.replace(kCurrent, seal_lines({std::string(kCurrentHead), names.rocks, names.generations}));
}

index::StoreState CollectionHome::export_to(const fs::path& target) const {
  const std::lock_guard lock(mutex_);
  // First the generation, then the rows: rows may be newer than their graphs, never older.
  make_directory(target / kGenerations);
  generations_->link_to(target / kGenerations);
  records_->checkpoint(target / kExportedRocks);
  return RocksStore::read_state(target / kExportedRocks);
}

// ---- successors ----

class CollectionHome::Successor final : public index::StoreSuccessor {
 public:
  Successor(std::shared_ptr<CollectionHome> home, Names names)
      : home_(std::move(home)),
        names_(std::move(names)),
        rows_(RocksStore::open(home_->path_ / names_.rocks, home_->resources_, RocksStore::Log::new_and_synced)),
        graphs_(std::make_shared<GenerationDirectory>(home_->path_ / names_.generations,
                                                      home_->resources_->residency)) {}
  ~Successor() override {
    if (in_force_) return;
    rows_->remove_when_closed();
    remove_tree(home_->path_ / names_.generations);
  }

  std::shared_ptr<index::RecordStore> records() override { return rows_; }
  std::shared_ptr<index::GenerationStore> generations() override { return graphs_; }
  void put(std::span<const index::StoredRow> rows) override { rows_->put(rows); }
  void bury(std::span<const index::Slot> slots) override { rows_->bury(slots); }
  void seal(const index::StoreState& state) override { rows_->seal(state); }
  void finish() override { home_->finish(*this); }
  void take_over() override {
    home_->take_over(*this);
    in_force_ = true;
  }

 private:
  friend class CollectionHome;
  std::shared_ptr<CollectionHome> home_;
  Names names_;
  std::shared_ptr<RocksStore> rows_;
  std::shared_ptr<GenerationDirectory> graphs_;
  bool in_force_ = false;
};

std::unique_ptr<index::StoreSuccessor> CollectionHome::begin_successor() {
  const std::lock_guard lock(mutex_);
  check_not_retired();
  put_in_force(names_);  // before a second pair appears
  const std::string digits = random_digits();
  Names next{std::string(kRocksPrefix) + digits, std::string(kGenerationsPrefix) + digits};
  try {
    RocksStore::create(path_ / next.rocks, records_->options(), records_->attributes(), resources_);
    sync_directory(path_);
    auto successor = std::make_unique<Successor>(shared_from_this(), next);
    successor->rows_->inherit_indexes(*records_, make_terms_);
    return successor;
  } catch (...) {
    remove_tree(path_ / next.rocks);
    remove_tree(path_ / next.generations);
    throw;
  }
}

void CollectionHome::take_over(const Successor& successor) {
  const std::lock_guard lock(mutex_);
  check_not_retired();
  sync_directory(path_);
  records_->refuse_writes("a compaction puts other rows in force");
  try {
    successor.rows_->follow_indexes(*records_);
    if (const std::string now = records_->attributes(); now != successor.rows_->attributes())
      successor.rows_->write_attributes(now);
    put_in_force(successor.names_);
  } catch (...) {
    try {
      put_in_force(names_);  // the rename may have happened before the failure
      records_->refuse_writes({});
    } catch (const Error& error) {
      records_->refuse_writes("it is unknown which rows are in force after a failed compaction: " +
                              std::string(error.what()));
    }
    throw;
  }
  records_->remove_when_closed();
  remove_tree(path_ / names_.generations);
  names_ = successor.names_;
  records_ = successor.rows_;
  generations_ = successor.graphs_;
}

void CollectionHome::finish(const Successor& successor) {
  if (const MakeTermExtractor make = term_maker()) successor.rows_->use_payload_terms(make);
}

void CollectionHome::change_attributes(const std::string& attributes) {
  const std::lock_guard lock(mutex_);
  check_not_retired();
  records_->write_attributes(attributes);
}

// ---- payload indexes ----

MakeTermExtractor CollectionHome::term_maker() const {
  const std::lock_guard lock(mutex_);
  return make_terms_;
}

void CollectionHome::use_payload_terms(const MakeTermExtractor& make) {
  std::shared_ptr<RocksStore> rows;
  {
    const std::lock_guard lock(mutex_);
    make_terms_ = make;
    rows = records_;
  }
  rows->use_payload_terms(make);
}

// A compaction that takes over in the middle of a change ends it: then the new rows get it from the start.
template <typename Change>
auto CollectionHome::change_indexes(const Change& change) {
  for (;;) {
    const std::shared_ptr<RocksStore> rows = records();
    try {
      return change(*rows);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::failed_precondition || rows == records()) throw;
    }
  }
}

void CollectionHome::create_index(const std::string& field, const std::string& definition) {
  change_indexes([&](RocksStore& rows) { rows.create_index(field, definition); });
}

bool CollectionHome::drop_index(const std::string& field) {
  return change_indexes([&](RocksStore& rows) { return rows.drop_index(field); });
}

std::shared_ptr<const TermReader> CollectionHome::read_terms() const {
  struct Held {
    std::shared_ptr<RocksStore> rows;  // outlives the reader
    std::shared_ptr<const TermReader> terms;
  };
  const auto rows = records();
  const auto held = std::make_shared<Held>(Held{rows, rows->read_terms()});
  return {held, held->terms.get()};
}

void CollectionHome::check_not_retired() const {
  if (retired_)
    throw Error(ErrorCode::failed_precondition,
                path_.string() + " is not in force any more: the collection was deleted or replaced");
}

void CollectionHome::retire(bool retired) {
  const std::lock_guard lock(mutex_);
  retired_ = retired;
}

void CollectionHome::adopt(const fs::path& directory) {
  const std::lock_guard lock(mutex_);
  const auto lines = unseal_lines(Directory(directory).read(kCurrent, kCurrentLimit), kCurrentHead, 2);
  const Names next{lines[0], lines[1]};
  check_not_retired();
  put_in_force(names_);  // before a second pair appears
  rename_durably(directory / next.rocks, path_ / next.rocks);
  rename_durably(directory / next.generations, path_ / next.generations);
  put_in_force(next);
  retired_ = true;
  records_->remove_when_closed();
  remove_tree(path_ / names_.generations);
}

}  // namespace nestor::storage
