#pragma once
// The OpenAPI 3.1 description of the interface: server/openapi.json, which is written by hand and checked against the
// router and the answers of the tests.

#include <string_view>

namespace nestor::server {

std::string_view openapi_text();

}  // namespace nestor::server
