#pragma once
// Checks that an action throws the one Error it should, with a message that says what it must.

#include <string>

#include "index/error.h"
#include "tests/support/catch.h"

namespace nestor::tests {

// The message of the Error; fails the test when there is none or its code is another.
template <typename Action>
std::string error_of(index::ErrorCode expected, Action&& action) {
  try {
    action();
  } catch (const index::Error& error) {
    INFO("message: " << error.what());
    CHECK(to_string(error.code()) == to_string(expected));
    return error.what();
  }
  FAIL("no error, expected " << to_string(expected));
  return {};
}

inline bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace nestor::tests
