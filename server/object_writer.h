#pragma once
// The members of one JSON object, in the order they are written; the object ends with the writer.

#include <cstdint>
#include <string>
#include <string_view>

#include "server/json_writer.h"

namespace nestor::server {

class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  ~ObjectWriter() { out_ += '}'; }
  ObjectWriter(const ObjectWriter&) = delete;
  ObjectWriter& operator=(const ObjectWriter&) = delete;

  std::string& name(std::string_view name) {
    out_ += first_ ? "\"" : ",\"";
    first_ = false;
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void number(std::string_view key, std::uint64_t value) { append_unsigned(name(key), value); }
  void real(std::string_view key, double value) { append_double(name(key), value); }
  void text(std::string_view key, std::string_view value) { append_string(name(key), value); }
  void flag(std::string_view key, bool value) { name(key) += value ? "true" : "false"; }

 private:
  std::string& out_;
  bool first_ = true;
};

// A JSON array of strings.
template <class Texts>
void append_texts(std::string& out, const Texts& texts) {
  out += '[';
  bool first = true;
  for (const auto& text : texts) {
    if (!first) out += ',';
    first = false;
    append_string(out, text);
  }
  out += ']';
}

}  // namespace nestor::server
