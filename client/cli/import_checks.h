#pragma once
// What a row of an import has to be, and what is said of a whole file afterwards.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "index/options.h"

namespace nestor::client {

struct ImportRules {
  std::optional<std::uint64_t> vocabulary;  // tokens lie in 0..vocabulary-1
  bool trim_zero_tail = false;              // leave out rows at the end that were never filled
  bool skip_nonfinite = false;              // leave out keys with NaN or infinity; their numbers stay unused
  bool self_test = true;                    // after the build, rows must find themselves
};

struct ImportReport {
  std::uint64_t zero_rows = 0;  // all of them, the tail included
  std::uint64_t zero_tail = 0;
  std::uint64_t skipped = 0;
  std::uint64_t largest_token = 0;
};

enum class RowVerdict { good, skip };

class RowCheck {
 public:
  RowCheck(const ImportRules& rules, const index::CollectionOptions& options, std::string keys_path,
           std::string values_path)
      : rules_(rules), options_(options), keys_path_(std::move(keys_path)), values_path_(std::move(values_path)) {}

  // Throws Error invalid_argument naming file, row and coordinate. A row of zeros counts towards the tail.
  RowVerdict key(std::uint64_t row, std::span<const float> vector);
  void value(std::uint64_t row, std::int64_t value);
  static void weight(const std::string& path, std::uint64_t row, std::int64_t weight);
  // rows: of the whole file. never_filled: whether zeros at the end mean that (a datastore, not any vectors).
  // Throws invalid_argument for a zero tail that was not to be trimmed.
  void finish(std::uint64_t rows, bool never_filled);

  const ImportReport& report() const { return report_; }

 private:
  ImportRules rules_;
  const index::CollectionOptions& options_;
  std::string keys_path_, values_path_;
  ImportReport report_;
  std::optional<std::uint64_t> zero_from_;  // first row of the zeros that end at the last row seen
  bool zero_refused_ = false;               // ... and with cosine they may stand at the end only
};

// Before any row is read: 16-bit tokens that cannot hold the vocabulary were wrapped when they were written.
void check_value_kind(const std::string& path, bool sixteen_bits, const std::optional<std::uint64_t>& vocabulary);

}  // namespace nestor::client
