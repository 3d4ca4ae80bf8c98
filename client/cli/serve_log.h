#pragma once
// What the server says, and one line per request, written by a thread of their own.

#include <functional>
#include <memory>
#include <string>

#include "client/cli/serve_settings.h"

namespace nestor::client {

// Lines go to stderr, the access log where the settings say. A slow disk or terminal never holds up a request: when
// the queue is full the oldest lines are lost. Thread-safe.
class ServeLog {
 public:
  // Throws Error permission_denied, not_found: the access log's file cannot be opened.
  explicit ServeLog(const ServeConfig& config);
  ~ServeLog();
  ServeLog(const ServeLog&) = delete;
  ServeLog& operator=(const ServeLog&) = delete;

  void info(const std::string& line);
  server::AccessSink access_sink();  // empty: off
  // Opens the access log's file again, by its name: whoever rotates logs has renamed the old one. Says what fails, and
  // goes on with the old one.
  void reopen();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace nestor::client
