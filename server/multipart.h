#pragma once
// Bodies of type multipart/form-data (RFC 7578), as far as an upload of one file needs them.

#include <optional>
#include <string_view>

namespace nestor::server {

// The content of the part with this name, a view into `body`. nullopt: the type is not multipart/form-data with a
// boundary, or no whole part has the name.
std::optional<std::string_view> form_part(std::string_view content_type, std::string_view body, std::string_view name);

}  // namespace nestor::server
