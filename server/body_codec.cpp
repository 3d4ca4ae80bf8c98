#include "server/body_codec.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "index/utf8.h"
#include "server/base64.h"
#include "server/json_writer.h"
#include "server/message.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

using nlohmann::json;

std::string_view name_of(BodyFormat format) { return format == BodyFormat::cbor ? "CBOR" : "MessagePack"; }

[[noreturn]] void refuse(BodyFormat format, const std::string& what) {
  throw HttpError(400, "Format error in " + std::string(name_of(format)) + " body: " + what);
}

// Writes JSON as the values come. Returning false ends the library's reader, which is recursive: so a body of a million
// opening brackets ends here, at the limit.
class JsonTextWriter {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  JsonTextWriter(BodyFormat format, std::size_t max_depth, std::size_t bytes) : format_(format), max_depth_(max_depth) {
    out_.reserve(bytes * 2);
  }

  bool null() { return add("null"); }
  bool boolean(bool value) { return add(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) {
    // CBOR's negative integers go down to -2^64. The library gives those beyond an int64 back wrapped: not negative.
    if (format_ == BodyFormat::cbor && value >= 0) return fail("an integer below -9223372036854775808");
    return add(std::to_string(value));
  }
  bool number_unsigned(number_unsigned_t value) {
    separate();
    append_unsigned(out_, value);
    return true;
  }
  bool number_float(number_float_t value, const string_t&) {
    if (!std::isfinite(value)) return fail("a number that is not finite");
    separate();
    const std::size_t begin = out_.size();
    // A float32 came as one or would be rounded to one: its shortest text is half as long.
    if (const auto narrow = static_cast<float>(value); static_cast<double>(narrow) == value)
      append_float(out_, narrow);
    else
      append_double(out_, value);
    // It stays what it came as: an id or a payload's integer is not meant by it.
    if (out_.find_first_of(".e", begin) == std::string::npos) out_ += ".0";
    return true;
  }
  bool string(string_t& value) {
    if (!index::is_utf8(value)) return fail("text that is not UTF-8");
    separate();
    append_string(out_, value);
    return true;
  }
  bool binary(binary_t& value) {
    separate();
    out_ += '"';
    append_base64(out_, {reinterpret_cast<const char*>(value.data()), value.size()});
    out_ += '"';
    return true;
  }
  bool start_object(std::size_t) { return open('{'); }
  bool start_array(std::size_t) { return open('['); }
  bool end_object() { return close('}'); }
  bool end_array() { return close(']'); }
  bool key(string_t& value) {
    if (!index::is_utf8(value)) return fail("text that is not UTF-8");
    separate();
    append_string(out_, value);
    out_ += ':';
    first_ = true;  // the value follows without a comma
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const json::exception& error) {
    // "[json.exception.parse_error.110] parse error at byte 3: ..." without what names the library.
    const std::string text = error.what();
    const std::size_t at = text.find(": ");
    return fail("at byte " + std::to_string(position) + (at == std::string::npos ? "" : text.substr(at)));
  }

  const std::string& problem() const { return problem_; }
  std::string take() { return std::move(out_); }

 private:
  bool fail(const std::string& what) {
    if (problem_.empty()) problem_ = what;
    return false;
  }
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  bool add(std::string_view text) {
    separate();
    out_ += text;
    return true;
  }
  bool open(char bracket) {
    if (++depth_ > max_depth_) return fail("nested deeper than " + std::to_string(max_depth_) + " levels");
    separate();
    out_ += bracket;
    first_ = true;
    return true;
  }
  bool close(char bracket) {
    --depth_;
    out_ += bracket;
    first_ = false;
    return true;
  }

  const BodyFormat format_;
  const std::size_t max_depth_;
  std::size_t depth_ = 0;
  bool first_ = true;
  std::string out_;
  std::string problem_;
};

// The media type alone, without parameters and spaces.
std::string_view bare(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (type.starts_with(' ')) type.remove_prefix(1);
  while (type.ends_with(' ')) type.remove_suffix(1);
  return type;
}

BodyFormat format_of(std::string_view type) {
  if (same_header_name(type, "application/cbor")) return BodyFormat::cbor;
  for (const std::string_view name : {"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"})
    if (same_header_name(type, name)) return BodyFormat::msgpack;
  return BodyFormat::json;
}

}  // namespace

BodyFormat format_of_content_type(std::string_view content_type) { return format_of(bare(content_type)); }

// The first that is known, in the client's order; "q=" is not weighed, as no client sends several of these.
BodyFormat format_of_accept(std::string_view accept) {
  while (!accept.empty()) {
    const std::size_t end = std::min(accept.find(','), accept.size());
    const std::string_view type = bare(accept.substr(0, end));
    if (same_header_name(type, "application/json")) return BodyFormat::json;
    if (const BodyFormat format = format_of(type); format != BodyFormat::json) return format;
    accept.remove_prefix(std::min(end + 1, accept.size()));
  }
  return BodyFormat::json;
}

std::string_view media_type(BodyFormat format) {
  switch (format) {
    case BodyFormat::cbor: return "application/cbor";
    case BodyFormat::msgpack: return "application/msgpack";
    case BodyFormat::json: break;
  }
  return "application/json";
}

std::string binary_to_json(BodyFormat format, std::string_view body, std::size_t max_depth) {
  if (body.empty()) return {};
  JsonTextWriter writer(format, max_depth, body.size());
  const bool read =
      json::sax_parse(body.begin(), body.end(), &writer,
                      format == BodyFormat::cbor ? json::input_format_t::cbor : json::input_format_t::msgpack);
  if (!read) refuse(format, writer.problem().empty() ? "it cannot be read" : writer.problem());
  return writer.take();
}

std::string json_to_binary(BodyFormat format, std::string_view text) {
  const json value = json::parse(text);
  std::string out;
  if (format == BodyFormat::cbor)
    json::to_cbor(value, nlohmann::detail::output_adapter<char>(out));
  else
    json::to_msgpack(value, nlohmann::detail::output_adapter<char>(out));
  return out;
}

}  // namespace nestor::server
