#pragma once
// The subcommands of `nestor`, one file each. Every function adds one to the application; what it
// does runs as CLI11's final callback and throws index::Error.

#include <CLI/CLI.hpp>

namespace nestor::client {

void add_serve_command(CLI::App& app);
void add_build_command(CLI::App& app);
void add_search_command(CLI::App& app);
void add_lookup_command(CLI::App& app);
void add_calibrate_command(CLI::App& app);
void add_certificates_command(CLI::App& app);
void add_score_command(CLI::App& app);
void add_dispersion_command(CLI::App& app);
void add_tune_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_info_command(CLI::App& app);
void add_list_command(CLI::App& app);
void add_delete_command(CLI::App& app);
void add_snapshot_command(CLI::App& app);
void add_config_command(CLI::App& app);
void add_compact_command(CLI::App& app);

}  // namespace nestor::client
