#pragma once
// Everything that can be set about `nestor serve`, in one table: the file, the environment, the flags and the help
// are all made from it.

#include <functional>
#include <string>
#include <vector>

#include "server/http_server.h"

namespace nestor::client {

struct ServeConfig {
  std::string directory = "./nestor-data";
  unsigned threads = 0;            // that search and build; 0: all cores
  std::string resident = "codes";  // what of the index is held in memory: codes, walk
  std::string access_log = "off";  // off, stderr, or a file
  server::LogFormat log_format = server::LogFormat::text;
  std::string log_level = "info";
  server::ServerConfig server;
};

// One of them. In the file it is `name`, with a dot for a table: [limits] body_bytes = "32MiB"; in the environment
// NESTOR_LIMITS_BODY_BYTES; as a flag --limits-body-bytes.
struct Setting {
  std::string name;
  std::string help;
  std::function<void(ServeConfig&, const std::string&)> set;  // throws Error invalid_argument
  std::function<std::string(const ServeConfig&)> show;
  bool secret = false;  // never shown, and no flag: a command line can be seen by everybody on the machine

  std::string variable() const;  // NESTOR_...
  std::string flag() const;      // --...
};

const std::vector<Setting>& serve_settings();

// Where a value came from, for `nestor config check`.
struct SettingSource {
  std::string name, source;  // "default", "file", "environment", "flag"
};

// The value of each flag given, by the setting's name.
using Flags = std::vector<std::pair<std::string, std::string>>;

// Defaults, then the file (empty: none), then the environment, then the flags; each overrides those before it. Throws
// Error with the place: not_found for the file, invalid_argument for an unknown setting or a value that cannot be.
ServeConfig read_serve_config(const std::string& file, const Flags& flags,
                              std::vector<SettingSource>* sources = nullptr);

}  // namespace nestor::client
