#include "server/payload_edit.h"

#include <algorithm>

#include "index/payload_check.h"
#include "server/json_writer.h"
#include "server/payload.h"
#include "server/protocol.h"

namespace nestor::server {

static_assert(kMaxPayloadBytes == index::kMaxPayloadBytes);

namespace {

using Kind = FieldPath::Kind;
using Value = std::optional<JsonValue>;  // nullopt: nothing stands there

class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  std::string& member(const std::string& key) {
    if (!first_) out_ += ',';
    first_ = false;
    append_string(out_, key);
    out_ += ':';
    return out_;
  }
  void finish() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

void append_merged(std::string& out, const Value& old, const JsonValue& news) {
  ObjectWriter writer(out);
  if (old)
    for (const auto& [key, value] : old->members())
      if (!news.find(key)) writer.member(key) += value.text();
  for (const auto& [key, value] : news.members()) writer.member(key) += value.text();
  writer.finish();
}

// The old value with `news` merged in at the end of the path. Objects and lists on the way are made where there are
// none; elements are not: a list that is made stays empty.
void append_set(std::string& out, const Value& old, const FieldPath& path, std::size_t step, const JsonValue& news) {
  if (step == path.steps.size()) return append_merged(out, old, news);
  const FieldPath::Step& s = path.steps[step];
  if (s.kind == Kind::key) {
    ObjectWriter writer(out);
    if (old)
      for (const auto& [key, value] : old->members())
        if (key != s.key) writer.member(key) += value.text();
    append_set(writer.member(s.key), old ? old->find(s.key) : std::nullopt, path, step + 1, news);
    return writer.finish();
  }
  if (!old || !old->is_array()) {
    out += "[]";
    return;
  }
  const auto items = old->items();
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i) out += ',';
    if (s.kind == Kind::every_element || s.index == i)
      append_set(out, items[i], path, step + 1, news);
    else
      out += items[i].text();
  }
  out += ']';
}

// The old value without what stands at the path.
void append_without(std::string& out, const JsonValue& old, const FieldPath& path, std::size_t step) {
  const FieldPath::Step& s = path.steps[step];
  const bool last = step + 1 == path.steps.size();
  if (s.kind == Kind::key && old.is_object()) {
    ObjectWriter writer(out);
    for (const auto& [key, value] : old.members()) {
      if (key != s.key)
        writer.member(key) += value.text();
      else if (!last)
        append_without(writer.member(key), value, path, step + 1);
    }
    return writer.finish();
  }
  if (s.kind == Kind::key || !old.is_array()) {
    out += old.text();
    return;
  }
  const auto items = old.items();
  bool first = true;
  out += '[';
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool touched = s.kind == Kind::every_element || s.index == i;
    if (touched && last) continue;
    if (!first) out += ',';
    first = false;
    if (touched)
      append_without(out, items[i], path, step + 1);
    else
      out += items[i].text();
  }
  out += ']';
}

std::string edited(const PayloadEdit& edit, std::string text) {
  if (edit.kind == PayloadEdit::Kind::merge) {
    const JsonDocument old(text, kStoredDepth), news(edit.payload, kStoredDepth);
    std::string out;
    append_set(out, old.root(), edit.key.value_or(FieldPath{}), 0, news.root());
    return out;
  }
  for (const FieldPath& key : edit.keys) {
    const JsonDocument old(text, kStoredDepth);
    if (values_at(key, old.root()).empty()) continue;
    std::string out;
    append_without(out, old.root(), key, 0);
    text = std::move(out);
  }
  return text;
}

}  // namespace

index::PayloadUpdate PayloadEdit::apply(std::string_view stored, std::optional<std::uint32_t> value) const {
  index::PayloadUpdate update;
  if (kind == Kind::clear) return update;
  if (kind == Kind::replace) {
    update.payload = payload;
  } else {
    const bool readable = !stored.empty() && index::payload_trouble(stored).empty();
    std::string text(readable ? stored : std::string_view("{}"));
    // A value without a field becomes one, so that it is kept or removed like any other.
    if (const JsonDocument old(text, kStoredDepth); value && !old.root().find(kTokenField))
      text = std::string(with_token_field(old.root(), *value));
    update.payload = edited(*this, std::move(text));
  }
  if (update.payload.size() > kMaxPayloadBytes)
    wrong_input("the payload of a point would grow beyond " + std::to_string(kMaxPayloadBytes) + " bytes");
  const JsonDocument result(update.payload, kStoredDepth);
  update.value = payload_token(result.root());
  if (result.root().size() == 0) update.payload.clear();
  return update;
}

}  // namespace nestor::server
