#pragma once
// The flags that `nestor serve` and `nestor config check` share: --config, and one per setting.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "client/cli/serve_settings.h"

namespace nestor::client {

struct ServeOptions {
  std::string file;  // --config or NESTOR_CONFIG; empty: none
  Flags flags;       // in the order of the table
};

// The returned object is filled when the command line has been parsed.
std::shared_ptr<ServeOptions> add_serve_options(CLI::App& command);

}  // namespace nestor::client
