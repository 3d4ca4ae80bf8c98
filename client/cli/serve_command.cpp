// nestor serve: the collections of a directory over HTTP until a signal says stop.
#include <netdb.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/data_directory.h"
#include "index/error.h"
#include "server/http_server.h"
#include "server/run_until_signal.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

struct Arguments {
  std::string directory = DataArguments().directory;
  server::ServerConfig config;
  unsigned threads = 0;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  nestor serve                                # http://127.0.0.1:6333, data in ./nestor-data\n"
    "  nestor serve --data /srv/nestor --port 8080\n"
    "  nestor serve --host 0.0.0.0                 # reachable from other machines: there is no password\n"
    "  curl http://127.0.0.1:6333/collections\n"
    "\n"
    "Speaks a subset of Qdrant's REST dialect, so its clients work. SIGTERM and Ctrl-C stop it gracefully: requests\n"
    "under way are answered; a second signal cuts them. Other nestor commands wait until the directory is free.";

std::shared_ptr<spdlog::logger> make_log() {
  auto log = spdlog::stderr_color_mt("nestor");
  log->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  log->flush_on(spdlog::level::info);
  return log;
}

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

void run(Arguments arguments) {
  check_port_free(arguments.config.host, arguments.config.port);
  check_writable(arguments.directory);
  const auto log = make_log();
  storage::DatabaseOptions options;
  options.build_threads = arguments.threads;
  options.log = [log](const std::string& line) { log->info(line); };
  const auto database = storage::Database::open(arguments.directory, options);

  arguments.config.read_workers = arguments.threads;
  arguments.config.request.search_threads = arguments.threads;
  server::HttpServer server(*database, arguments.config, [log](const std::string& line) { log->info(line); });
  server::run_until_signal(server, [&] {
    const std::size_t count = database->collection_names().size();
    log->info("ready at http://{}, {} collection{} in {}", server.address(), count, count == 1 ? "" : "s",
              arguments.directory);
  });
  log->info("stopped");
}

}  // namespace

void add_serve_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("serve", "Serve the collections over HTTP");
  command->footer(kExamples);
  command->add_option("--data", arguments->directory, "Directory that holds the collections; made when missing")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_option("--host", arguments->config.host, "Address to listen on")
      ->type_name("ADDRESS")
      ->capture_default_str();
  command->add_option("--port", arguments->config.port, "Port to listen on, 0 for any free one")
      ->type_name("PORT")
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "Threads that search and build [all cores]")
      ->type_name("N")
      ->check(CLI::Range(0, 4096).description(""));
  command->callback([arguments] { run(*arguments); });
}

}  // namespace nestor::client
