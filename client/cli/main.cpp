// The `nestor` command: parse, run one subcommand, turn whatever is thrown into one line and a code.
#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include "client/cli/commands.h"
#include "client/cli/exit_code.h"

namespace {

using namespace nestor;

// One line whatever a file name or a library's message holds, so that scripts can read it.
int report(std::string message, int code) {
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
  std::cout.flush();
  std::cerr << "nestor: " << message << std::endl;
  return code;
}

void describe(CLI::App& app) {
  app.description(
      "Nestor: nearest neighbours among nested (Matryoshka) vectors, and kNN-LM lookups.\n"
      "A data directory holds collections; one process at a time works on it.");
  app.footer(
      "Examples:\n"
      "  nestor build --from keys.npy --collection books      # a file becomes a collection with its graph\n"
      "  nestor search --collection books --queries q.npy     # nearest neighbours of the first query\n"
      "  nestor serve                                         # the same over HTTP at 127.0.0.1:6333\n"
      "\n"
      "Every subcommand explains itself: nestor build --help\n"
      "Exit codes: 0 done, 2 bad usage or argument, 3 not found, 4 exists already or in use,\n"
      "            5 no permission or resources, 6 stored data damaged, 7 done, but what was\n"
      "            asked for is not reached (tune, calibrate), 1 anything else.");
  app.set_version_flag("--version", std::string("nestor " NESTOR_VERSION));
  app.get_formatter()->column_width(36);
  app.require_subcommand(1);
}

int run(int argc, char** argv) {
  CLI::App app("", "nestor");
  describe(app);
  client::add_serve_command(app);
  client::add_build_command(app);
  client::add_search_command(app);
  client::add_lookup_command(app);
  client::add_calibrate_command(app);
  client::add_certificates_command(app);
  client::add_score_command(app);
  client::add_dispersion_command(app);
  client::add_tune_command(app);
  client::add_eval_command(app);
  client::add_info_command(app);
  client::add_list_command(app);
  client::add_delete_command(app);
  client::add_snapshot_command(app);
  client::add_config_command(app);
  client::add_compact_command(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    const auto chosen = app.get_subcommands();
    const std::string help = chosen.empty() ? "nestor --help" : "nestor " + chosen.front()->get_name() + " --help";
    return report(std::string(error.what()) + " (see " + help + ")", client::kExitUsage);
  }
  std::cout.flush();
  if (!std::cout) return report("cannot write the output", client::kExitOther);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const index::Error& error) {
    return report(error.what(), client::exit_code(error.code()));
  } catch (const client::Missed& missed) {
    std::cout.flush();
    return report(missed.what(), client::kExitMissed);
  } catch (const std::bad_alloc&) {
    return report("out of memory", client::exit_code(index::ErrorCode::resource_exhausted));
  } catch (const std::exception& error) {
    return report(error.what(), client::kExitOther);
  }
}
