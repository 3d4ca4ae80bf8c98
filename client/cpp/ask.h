#pragma once
// A call and the reading of its answer.

#include <string>
#include <utility>

#include "client/cpp/channel.h"
#include "index/error.h"

namespace nestor::client {

// Answers of a server of another kind or version: the library's own words for what is missing are no help to a user.
template <typename Read>
auto ask(Channel& channel, const RemoteRequest& request, const Read& read) {
  const nlohmann::json result = channel.call(request);
  try {
    return read(result);
  } catch (const nlohmann::json::exception& error) {
    throw index::Error(index::ErrorCode::internal,
                       std::string("the server's answer is not understood: ") + error.what());
  }
}

}  // namespace nestor::client
