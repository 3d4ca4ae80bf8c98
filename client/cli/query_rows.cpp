#include "client/cli/query_rows.h"

#include <algorithm>
#include <cmath>

#include "client/cli/text.h"
#include "index/error.h"
#include "storage/import/vector_source.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

void add_query_options(CLI::App& command, QueryArguments& arguments) {
  command.add_option("--queries", arguments.path, "Query vectors: .npy (float32, float16, uint8), .fvecs or .bvecs")
      ->type_name("FILE")
      ->required();
  auto* row = command.add_option("--row", arguments.row, "Which row of the file, counted from 0")->type_name("I");
  command.add_option("--rows", arguments.rows, "Several rows, A up to but not including B; either may be left out")
      ->type_name("A:B")
      ->excludes(row);
}

QueryRows load_queries(const QueryArguments& arguments, bool all_rows) {
  const auto source = storage::open_vector_source(arguments.path);
  RowRange range{0, all_rows ? source->rows() : 1};
  if (!arguments.rows.empty()) range = parse_rows("--rows", arguments.rows, source->rows());
  if (arguments.row) {
    if (*arguments.row >= source->rows()) {
      throw Error(ErrorCode::invalid_argument, "--row " + std::to_string(*arguments.row) + ": " + arguments.path +
                                                   " has rows 0 to " + std::to_string(source->rows() - 1));
    }
    range = {*arguments.row, *arguments.row + 1};
  }
  QueryRows queries{range.first, source->dim(), source->rows(), {}};
  source->seek(range.first);
  source->read_rows(range.last - range.first, queries.vectors);
  for (std::size_t i = 0; i < queries.vectors.size(); ++i) {
    if (std::isfinite(queries.vectors[i])) continue;
    throw Error(ErrorCode::invalid_argument, arguments.path + ": row " + std::to_string(range.first + i / queries.dim) +
                                                 ", coordinate " + std::to_string(i % queries.dim) + " is " +
                                                 (std::isnan(queries.vectors[i]) ? "NaN" : "infinite"));
  }
  return queries;
}

void check_dimension(const QueryRows& queries, const std::string& path, const index::Collection& collection) {
  const auto& widths = collection.options().widths;
  if (std::find(widths.begin(), widths.end(), queries.dim) != widths.end()) return;
  throw Error(ErrorCode::invalid_argument, path + " holds vectors of " + std::to_string(queries.dim) +
                                               " coordinates; collection \"" + collection.name() + "\" takes " +
                                               std::to_string(collection.options().dim) + " or one of its widths (" +
                                               join(widths) + ")");
}

}  // namespace nestor::client
