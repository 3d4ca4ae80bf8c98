#include "client/cli/serve_options.h"

namespace nestor::client {
namespace {

std::string group_of(const Setting& setting) {
  const std::size_t dot = setting.name.find('.');
  return dot == std::string::npos ? "Settings" : "Settings [" + setting.name.substr(0, dot) + "]";
}

}  // namespace

std::shared_ptr<ServeOptions> add_serve_options(CLI::App& command) {
  auto options = std::make_shared<ServeOptions>();
  command.add_option("--config", options->file, "File with settings (TOML)")
      ->type_name("FILE")
      ->envname("NESTOR_CONFIG");
  const ServeConfig defaults;
  for (const Setting& setting : serve_settings()) {
    if (setting.secret) continue;
    const auto remember = [options, name = setting.name](const std::string& value) {
      options->flags.emplace_back(name, value);
    };
    const std::string shown = setting.show(defaults);
    // As a flag, yes and no need no word behind it.
    if (shown == "true" || shown == "false") {
      command
          .add_flag_callback(
              setting.flag(), [remember] { remember("true"); }, setting.help)
          ->group(group_of(setting));
      continue;
    }
    command
        .add_option_function<std::string>(setting.flag(), remember,
                                          setting.help + (shown.empty() ? "" : " [" + shown + "]"))
        ->type_name("")
        ->group(group_of(setting));
  }
  return options;
}

}  // namespace nestor::client
