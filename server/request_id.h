#pragma once
// Names for requests, so that a line of a log can be found from an answer.

#include <string>
#include <string_view>

namespace nestor::server {

// What a client or a proxy before the server has chosen: 1 to 128 of letters, digits and "._-".
bool is_request_id(std::string_view text);
// Differs from every other one of this process, and very likely from those of others. Thread-safe.
void make_request_id(std::string& out);

}  // namespace nestor::server
