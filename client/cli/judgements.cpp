#include "client/cli/judgements.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "client/cli/text_file.h"
#include "index/error.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

constexpr const char* kSpace = " \t\r";

struct Columns {
  std::size_t count = 0;  // in a line
  std::size_t document = 0, number = 0;
  bool heading = false;  // the first line names the columns
};

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::invalid_argument, message); }

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::string_view> split_at_tabs(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t at = 0;;) {
    const std::size_t end = std::min(line.find('\t', at), line.size());
    fields.push_back(trimmed(line.substr(at, end - at)));
    if (end == line.size()) return fields;
    at = end + 1;
  }
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(kSpace); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kSpace, end);
  }
  return words;
}

double number_of(std::string_view text, const std::string& where) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    refuse(where + ": \"" + std::string(text) + "\" is not a number");
  return value;
}

// Refuses what stands twice: which of two scores is meant, nobody can tell.
class Collector {
 public:
  // A query whose documents follow, all of them.
  void start(const std::string& query, const std::string& where) {
    if (!judgements_.try_emplace(query).second) refuse(where + ": query " + query + " stands there twice");
  }
  void add(std::string_view query, std::string_view document, double number, const std::string& where) {
    if (!seen_[std::string(query)].emplace(document).second)
      refuse(where + ": query " + std::string(query) + " has document " + std::string(document) + " twice");
    judgements_[std::string(query)].emplace_back(document, number);
  }
  Judgements take() { return std::move(judgements_); }

 private:
  Judgements judgements_;
  std::map<std::string, std::set<std::string>> seen_;
};

// {query: {document: number}} value by value: a tree of values would keep only the last of two that have one name.
class JsonJudgements {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  explicit JsonJudgements(std::string path) : path_(std::move(path)) {}

  bool null() { return refuse_value(); }
  bool boolean(bool) { return refuse_value(); }
  bool string(string_t&) { return refuse_value(); }
  bool binary(binary_t&) { return refuse_value(); }
  bool number_integer(number_integer_t value) { return number(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) { return number(static_cast<double>(value)); }
  bool number_float(number_float_t value, const string_t&) { return number(value); }
  bool start_array(std::size_t) { return refuse_value(); }
  bool end_array() { return true; }
  bool start_object(std::size_t) { return ++depth_ <= 2 || refuse_value(); }
  bool end_object() {
    --depth_;
    return true;
  }
  bool key(string_t& name) {
    (depth_ == 1 ? query_ : document_) = name;
    if (depth_ == 1) collector_.start(name, path_);
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::json::exception& error) {
    const bool too_large = dynamic_cast<const nlohmann::json::out_of_range*>(&error) != nullptr;
    refuse(path_ + (too_large ? " holds a number beyond all that a double holds, at byte " : " is not JSON, at byte ") +
           std::to_string(byte));
  }
  Judgements take() { return collector_.take(); }

 private:
  std::string where() const { return path_ + ": query " + query_; }
  bool number(double value) {
    if (depth_ != 2) return refuse_value();
    collector_.add(query_, document_, value, path_);
    return true;
  }
  bool refuse_value() const {
    if (depth_ == 0) refuse(path_ + " is not JSON {query: {document: number}}");
    if (depth_ == 1) refuse(where() + " is not {document: number}");
    refuse(where() + ", " + document_ + " is not a number");
  }

  std::string path_, query_, document_;
  int depth_ = 0;
  Collector collector_;
};

Judgements read_json(std::string_view text, const std::string& path) {
  JsonJudgements judgements(path);
  nlohmann::json::sax_parse(text, &judgements);
  return judgements.take();
}

// How the columns of a file are told apart: tabs leave blanks inside of ids alone.
class LineReader {
 public:
  explicit LineReader(const std::vector<Columns>& known) : known_(known) {}

  // The words of a line, and which columns they are. The first line decides for all.
  std::pair<std::vector<std::string_view>, const Columns*> read(std::string_view line, const std::string& where) {
    if (!columns_) decide(line, where);
    auto words = split_line(line);
    if (words.size() != columns_->count) wrong_count(words.size(), std::to_string(columns_->count), where);
    for (const std::string_view word : words)
      if (word.empty()) refuse(where + " has an empty column");
    return {std::move(words), columns_};
  }

 private:
  std::vector<std::string_view> split_line(std::string_view line) const {
    return by_tabs_ ? split_at_tabs(line) : split(line);
  }
  const Columns* columns_of(std::size_t count) const {
    for (const Columns& c : known_)
      if (c.count == count) return &c;
    return nullptr;
  }
  void decide(std::string_view line, const std::string& where) {
    const auto by_tabs = split_at_tabs(line), by_space = split(line);
    const Columns *tabs = columns_of(by_tabs.size()), *space = columns_of(by_space.size());
    if (tabs && space && tabs != space)
      refuse(where + " is " + std::to_string(by_tabs.size()) + " columns by its tabs and " +
             std::to_string(by_space.size()) +
             " by all its blanks; begin the file with query-id<tab>corpus-id<tab>score, or write one tab between all "
             "columns");
    columns_ = tabs ? tabs : space;
    by_tabs_ = tabs != nullptr;
    std::string counts;
    for (const Columns& c : known_) counts += (counts.empty() ? "" : " or ") + std::to_string(c.count);
    if (!columns_) wrong_count(by_space.size(), counts, where);
  }
  [[noreturn]] static void wrong_count(std::size_t count, const std::string& expected, const std::string& where) {
    refuse(where + " has " + std::to_string(count) + " columns instead of " + expected);
  }

  const std::vector<Columns>& known_;
  const Columns* columns_ = nullptr;
  bool by_tabs_ = false;
};

Judgements read_lines(std::string_view text, const std::string& path, const std::vector<Columns>& known) {
  Collector collector;
  LineReader reader(known);
  bool first = true;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.find_first_not_of(kSpace) == std::string_view::npos) continue;
    const std::string where = path + ":" + std::to_string(number);
    const auto [words, columns] = reader.read(line, where);
    const bool heading = std::exchange(first, false) && columns->heading && words.front() == "query-id";
    if (heading) continue;
    collector.add(words.front(), words[columns->document], number_of(words[columns->number], where), where);
  }
  return collector.take();
}

Judgements read(const std::string& path, const std::vector<Columns>& known) {
  const std::string text = read_text_file(path);
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  const bool json = begin != std::string::npos && (text[begin] == '{' || text[begin] == '[');
  Judgements judgements = json ? read_json(text, path) : read_lines(text, path, known);
  if (judgements.empty()) refuse(path + " holds no query");
  return judgements;
}

}  // namespace

Judgements read_run(const std::string& path) { return read(path, {{6, 2, 4, false}}); }
Judgements read_qrels(const std::string& path) { return read(path, {{4, 2, 3, false}, {3, 1, 2, true}}); }

}  // namespace nestor::client
