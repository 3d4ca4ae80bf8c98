#pragma once
// Files of retrieval evaluations: what a system returned (a run) and what is right (qrels).

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace nestor::client {

// Documents of each query with a number each: a score in a run, a grade in qrels. No document twice.
using Judgements = std::map<std::string, std::vector<std::pair<std::string, double>>>;

// Files may be packed by gzip and may begin with a byte order mark. Columns are told apart by tabs where the first line
// has as many of them as it should, so that ids may hold blanks, else by blanks and tabs.
//
// A run: TREC's six columns (query Q0 document rank score tag) or BEIR's JSON {query: {document: score}}.
// Throws Error not_found, permission_denied, invalid_argument naming file and line.
Judgements read_run(const std::string& path);

// Qrels: TREC's four columns (query iteration document grade), BEIR's three with their heading (query-id corpus-id
// score), or JSON as above.
Judgements read_qrels(const std::string& path);

}  // namespace nestor::client
