#include "client/cli/judgements.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

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
    throw Error(ErrorCode::invalid_argument, where + ": \"" + std::string(text) + "\" is not a number");
  return value;
}

// Refuses a document that a query has already: which of two scores is meant, nobody can tell.
class Collector {
 public:
  void add(std::string_view query, std::string_view document, double number, const std::string& where) {
    if (!seen_[std::string(query)].emplace(document).second)
      throw Error(ErrorCode::invalid_argument,
                  where + ": query " + std::string(query) + " has document " + std::string(document) + " twice");
    judgements_[std::string(query)].emplace_back(document, number);
  }
  Judgements take() { return std::move(judgements_); }

 private:
  Judgements judgements_;
  std::map<std::string, std::set<std::string>> seen_;
};

Judgements read_json(std::istream& file, const std::string& path) {
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (!json.is_object()) throw Error(ErrorCode::invalid_argument, path + " is not JSON {query: {document: number}}");
  Collector collector;
  for (const auto& [query, documents] : json.items()) {
    const std::string where = path + ": query " + query;
    if (!documents.is_object()) throw Error(ErrorCode::invalid_argument, where + " is not {document: number}");
    for (const auto& [document, number] : documents.items()) {
      if (!number.is_number()) throw Error(ErrorCode::invalid_argument, where + ", " + document + " is not a number");
      collector.add(query, document, number.get<double>(), where);
    }
  }
  return collector.take();
}

Judgements read_lines(std::istream& file, const std::string& path, const std::vector<Columns>& known) {
  Collector collector;
  std::string line, counts;
  const Columns* columns = nullptr;
  for (const Columns& c : known) counts += (counts.empty() ? "" : " or ") + std::to_string(c.count);
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const auto words = split(line);
    if (words.empty()) continue;
    const std::string where = path + ":" + std::to_string(number);
    const bool first = columns == nullptr;
    for (const Columns& c : known)
      if (first && c.count == words.size()) columns = &c;
    if (columns == nullptr || words.size() != columns->count)
      throw Error(ErrorCode::invalid_argument, where + " has " + std::to_string(words.size()) + " columns instead of " +
                                                   (first ? counts : std::to_string(columns->count)));
    if (first && columns->heading && words.front() == "query-id") continue;
    collector.add(words.front(), words[columns->document], number_of(words[columns->number], where), where);
  }
  return collector.take();
}

Judgements read(const std::string& path, const std::vector<Columns>& known) {
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::not_found, "cannot open " + path);
  file >> std::ws;
  Judgements judgements = file.peek() == '{' ? read_json(file, path) : read_lines(file, path, known);
  if (file.bad()) throw Error(ErrorCode::internal, "cannot read " + path);
  if (judgements.empty()) throw Error(ErrorCode::invalid_argument, path + " holds no query");
  return judgements;
}

}  // namespace

Judgements read_run(const std::string& path) { return read(path, {{6, 2, 4, false}}); }
Judgements read_qrels(const std::string& path) { return read(path, {{4, 2, 3, false}, {3, 1, 2, true}}); }

}  // namespace nestor::client
