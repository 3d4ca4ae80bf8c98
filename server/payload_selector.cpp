#include "server/payload_selector.h"

#include <algorithm>

#include "server/fields.h"
#include "server/json_writer.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

using Mode = PayloadSelector::Mode;
using Step = FieldPath::Step;

std::vector<FieldPath> read_paths(const JsonValue& value, std::string_view name) {
  expect_array(value, name);
  std::vector<FieldPath> paths;
  for (const JsonValue& item : value.items()) {
    const auto text = item.as_string();
    if (!text) wrong_type(item, name, "a key (a string)");
    paths.push_back(parse_field_path(*text));
  }
  return paths;
}

class SelectedCopy {
 public:
  SelectedCopy(std::string& out, const PayloadSelector& selector) : out_(out), selector_(selector) {}

  // The value at the place, of which a part is shown.
  void append_part(const JsonValue& value) {
    if (value.is_object())
      append_members(value);
    else if (value.is_array())
      append_items(value);
    else
      out_ += value.text();
  }

 private:
  enum class Shown { nothing, part, all };

  void append_members(const JsonValue& object) {
    bool first = true;
    out_ += '{';
    for (const auto& [key, value] : object.members()) {
      place_.push_back({FieldPath::Kind::key, key, 0});
      if (const Shown shown = shown_here(); shown != Shown::nothing) {
        separate(first);
        append_string(out_, key);
        out_ += ':';
        append(value, shown);
      }
      place_.pop_back();
    }
    out_ += '}';
  }

  void append_items(const JsonValue& list) {
    place_.push_back({FieldPath::Kind::every_element, {}, 0});
    const Shown shown = shown_here();
    bool first = true;
    out_ += '[';
    if (shown != Shown::nothing)
      for (const JsonValue& item : list.items()) {
        separate(first);
        append(item, shown);
      }
    out_ += ']';
    place_.pop_back();
  }

  void append(const JsonValue& value, Shown shown) {
    if (shown == Shown::all)
      out_ += value.text();
    else
      append_part(value);
  }

  void separate(bool& first) {
    if (!first) out_ += ',';
    first = false;
  }

  // A path that ends at or above the place decides for all that is here; one that leads further down, for a part.
  Shown shown_here() const {
    const bool excludes = selector_.mode == Mode::exclude;
    bool touched = false;
    for (const FieldPath& path : selector_.paths) {
      const std::size_t common = std::min(path.steps.size(), place_.size());
      const auto end = path.steps.begin() + static_cast<std::ptrdiff_t>(common);
      if (!std::equal(path.steps.begin(), end, place_.begin())) continue;
      if (path.steps.size() <= place_.size()) return excludes ? Shown::nothing : Shown::all;
      touched = true;
    }
    if (touched) return Shown::part;
    return excludes ? Shown::all : Shown::nothing;
  }

  std::string& out_;
  const PayloadSelector& selector_;
  std::vector<Step> place_;  // from the payload to the value
};

}  // namespace

PayloadSelector read_payload_selector(const JsonValue& request, bool by_default) {
  const auto value = field(request, "with_payload");
  if (!value) return {by_default ? Mode::all : Mode::none, {}};
  if (const auto all = value->as_bool()) return {*all ? Mode::all : Mode::none, {}};
  if (value->is_array()) return {Mode::include, read_paths(*value, "with_payload")};
  if (!value->is_object()) wrong_type(*value, "with_payload", "true, false, a list of keys or a selector");
  allow_fields(*value, "with_payload", {"include", "exclude"});
  const auto include = field(*value, "include");
  const auto exclude = field(*value, "exclude");
  if (include.has_value() == exclude.has_value()) format_error("`with_payload` needs either `include` or `exclude`");
  return include ? PayloadSelector{Mode::include, read_paths(*include, "include")}
                 : PayloadSelector{Mode::exclude, read_paths(*exclude, "exclude")};
}

void append_selected(std::string& out, const JsonValue& payload, const PayloadSelector& selector) {
  if (selector.mode == Mode::all)
    out += payload.text();
  else
    SelectedCopy(out, selector).append_part(payload);
}

}  // namespace nestor::server
