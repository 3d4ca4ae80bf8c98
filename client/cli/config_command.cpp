// nestor config check: what `nestor serve` would run with, or what is wrong with it.
#include <algorithm>
#include <iostream>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/serve_options.h"
#include "client/cli/text.h"

namespace nestor::client {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor config check --config /etc/nestor/nestor.conf   # the exit code says whether it is good\n"
    "  nestor config check --list                             # every setting, its variable and its meaning\n"
    "\n"
    "Flags override the environment, which overrides the file. Keys are never shown.";

std::string shown_value(const Setting& setting, const ServeConfig& config) {
  const std::string value = setting.show(config);
  if (setting.secret && !value.empty()) return "(set)";
  return value;
}

void list() {
  TextTable table({"setting", "environment", "flag", "default", "meaning"});
  const ServeConfig defaults;
  for (const Setting& setting : serve_settings())
    table.add(
        {setting.name, setting.variable(), setting.secret ? "" : setting.flag(), setting.show(defaults), setting.help});
  table.print(std::cout, "");
}

void check(const ServeOptions& options) {
  std::vector<SettingSource> sources;
  const ServeConfig config = read_serve_config(options.file, options.flags, &sources);
  server::check_config(config.server);
  TextTable table({"setting", "value", "from"});
  for (std::size_t i = 0; i < sources.size(); ++i)
    table.add({sources[i].name, shown_value(serve_settings()[i], config), sources[i].source});
  table.print(std::cout, "");
}

}  // namespace

void add_config_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("config", "Check the settings of the server");
  command->require_subcommand(1);
  CLI::App* check_command = command->add_subcommand("check", "Read file, environment and flags and show the outcome");
  check_command->footer(kExamples);
  const auto options = add_serve_options(*check_command);
  auto wants_list = std::make_shared<bool>(false);
  check_command->add_flag("--list", *wants_list, "Every setting there is, instead");
  check_command->callback([options, wants_list] { *wants_list ? list() : check(*options); });
}

}  // namespace nestor::client
