// nestor serve: the collections of a directory over HTTP until a signal says stop.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "client/cli/serve_log.h"
#include "client/cli/serve_options.h"
#include "client/cli/service_manager.h"
#include "index/error.h"
#include "server/http_server.h"
#include "server/run_until_signal.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor serve                                # http://127.0.0.1:6333, data in ./nestor-data\n"
    "  nestor serve --data /srv/nestor --port 8080\n"
    "  NESTOR_API_KEY=... nestor serve --host 0.0.0.0   # reachable from other machines, for those with the key\n"
    "  nestor serve --config /etc/nestor/nestor.conf    # see nestor config check --help\n"
    "  curl http://127.0.0.1:6333/collections\n"
    "\n"
    "Speaks a subset of Qdrant's REST dialect, so its clients work. SIGTERM and Ctrl-C stop it gracefully: requests\n"
    "under way are answered; a second signal cuts them. Other nestor commands wait until the directory is free.";

// That the address can be listened on, tried before a data directory is made: a taken port is the most
// common mistake and leaves nothing behind. Anything else is left to the server, which says it better.
void check_port_free(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    throw Error(ErrorCode::invalid_argument, "--host " + host + ": no such host");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  const int probe = ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol);
  if (probe < 0) return;
  const int on = 1;
  ::setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int number = ::bind(probe, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
  ::close(probe);
  const std::string where = host + ":" + std::to_string(port);
  if (number == EADDRINUSE) {
    throw Error(ErrorCode::failed_precondition,
                "cannot listen on " + where + ": the port is taken; --port names another");
  }
  if (number == EACCES) throw Error(ErrorCode::permission_denied, "cannot listen on " + where + ": no permission");
  if (number == EADDRNOTAVAIL) {
    throw Error(ErrorCode::invalid_argument, "cannot listen on " + where + ": this machine does not have that address");
  }
}

// Opens what is served and returns when it is closed again: the last line of a log comes after that.
void serve(ServeConfig& config, ServeLog& log) {
  const auto say = [&log](const std::string& line) { log.info(line); };
  storage::DatabaseOptions database_options;
  database_options.build_threads = config.threads;
  database_options.log = say;
  if (config.resident == "walk") database_options.residency = index::Residency::walk_codes;
  const auto database = storage::Database::open(config.directory, database_options);

  config.server.read_workers = config.threads;
  config.server.request.search_threads = config.threads;
  config.server.data_directory = config.directory;
  config.server.access_log = log.access_sink();
  server::HttpServer server(*database, config.server, say);
  server::SignalHooks hooks;
  hooks.on_started = [&] {
    const std::size_t count = database->collection_names().size();
    say("ready at " + server.url() + ", " + std::to_string(count) + " collection" + (count == 1 ? "" : "s") + " in " +
        config.directory);
    if (!config.server.access.has_key() && config.server.allow_exposed)
      say("anybody who reaches this address may do everything");
    notify_service_manager("READY=1");
  };
  hooks.on_hangup = [&] {
    log.reopen();
    try {
      server.read_certificates();
      say("hangup: opened log files and read certificates again");
    } catch (const std::exception& error) {
      say("hangup: the certificates of before stay in use: " + std::string(error.what()));
    }
  };
  hooks.on_stop = [&] {
    say("stopping");
    database->stop_builds();
  };
  server::run_until_signal(server, hooks);
}

void run(const ServeOptions& options) {
  std::signal(SIGHUP, SIG_IGN);  // until there is something to do about it
  ServeConfig config = read_serve_config(options.file, options.flags);
  server::check_config(config.server);
  check_port_free(config.server.host, config.server.port);
  check_writable(config.directory);
  ServeLog log(config);
  serve(config, log);
  log.info("stopped");
}

}  // namespace

void add_serve_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("serve", "Serve the collections over HTTP");
  command->footer(kExamples);
  const auto options = add_serve_options(*command);
  command->callback([options] { run(*options); });
}

}  // namespace nestor::client
