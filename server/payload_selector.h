#pragma once
// Which parts of a payload an answer shows.

#include <string>
#include <vector>

#include "server/field_path.h"
#include "server/json_view.h"

namespace nestor::server {

// `with_payload`: a boolean, a list of paths, {"include": paths} or {"exclude": paths}.
//
// include shows what stands at a path and what leads there, exclude all but what stands at a path. Elements of lists
// are told apart from each other by neither: "l[].x" is the x of every element, and "l.x" or "l[0].x" name nothing in a
// list, which is then shown empty.
struct PayloadSelector {
  enum class Mode { none, all, include, exclude };
  Mode mode = Mode::none;
  std::vector<FieldPath> paths;

  bool wanted() const { return mode != Mode::none; }
};

// Throws HttpError 400.
PayloadSelector read_payload_selector(const JsonValue& request, bool by_default);

// Appends the object as far as the selector shows it; members that it does not touch keep every byte.
// REQUIRES an object and selector.wanted().
void append_selected(std::string& out, const JsonValue& payload, const PayloadSelector& selector);

}  // namespace nestor::server
