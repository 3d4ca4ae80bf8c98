#include "server/http_server.h"

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "server/api.h"
#include "server/session_loop.h"
#include "server/tls.h"
#include "server/worker_pool.h"

namespace nestor::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Code = boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, LoopExecutor>;
using index::ErrorCode;

// After accept failed for want of descriptors or memory: trying again at once would only spin.
constexpr std::chrono::milliseconds kAcceptPause{100};

unsigned worker_count(unsigned wanted) { return wanted ? wanted : std::max(1u, std::thread::hardware_concurrency()); }

std::string endpoint_text(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

[[noreturn]] void cannot_listen(const ServerConfig& config, const Code& error) {
  const std::string what = "cannot listen on " + endpoint_text(config.host, config.port) + ": ";
  if (error == asio::error::address_in_use)
    throw index::Error(ErrorCode::failed_precondition,
                       what +
                           "address already in use (another server is running there, or choose another port with "
                           "--port)");
  if (error == asio::error::access_denied)
    throw index::Error(ErrorCode::permission_denied,
                       what + "permission denied (ports below 1024 need privileges, choose another with --port)");
  if (error == boost::system::errc::address_not_available)
    throw index::Error(ErrorCode::invalid_argument, what + "this machine has no such address (see --host)");
  throw index::Error(ErrorCode::internal, what + error.message());
}

// Every address that the host stands for must be of this machine only.
bool is_loopback(const std::string& host) {
  asio::io_context context;
  Code error;
  const auto found = tcp::resolver(context).resolve(host, "0", tcp::resolver::passive, error);
  if (error) return false;
  return !found.empty() && std::all_of(found.begin(), found.end(),
                                       [](const auto& entry) { return entry.endpoint().address().is_loopback(); });
}

[[noreturn]] void refuse(const std::string& what) { throw index::Error(ErrorCode::invalid_argument, what); }

}  // namespace

void check_config(const ServerConfig& config) {
  if (!config.access.has_key() && !config.allow_exposed && !is_loopback(config.host))
    refuse("host \"" + config.host +
           "\" can be reached from other machines and there is no API key: anybody could read " +
           "and delete everything. Set api_key (environment NESTOR_API_KEY), or allow it with --allow-exposed");
  if (!config.access.api_key.empty() && config.access.api_key == config.access.read_only_api_key)
    refuse("api_key and read_only_api_key are the same");
  if (config.tls.wanted()) make_tls_context(config.tls);
  for (const std::string& folder : config.recovery_folders)
    if (!folder.starts_with('/')) refuse("snapshots.folders: \"" + folder + "\" is not an absolute path");
  const ConnectionLimits& limits = config.connection;
  if (limits.body_bytes > std::size_t{1} << 30) refuse("limits.body_bytes is more than 1 GiB");
  if (limits.header_bytes > 32 << 10) refuse("limits.header_bytes is more than 32 KiB");
  if (limits.target_bytes > limits.header_bytes) refuse("limits.target_bytes is more than limits.header_bytes");
  if (limits.header_timeout > limits.receive_timeout)
    refuse("limits.header_timeout is longer than limits.receive_timeout, which it is a part of");
}

struct HttpServer::Impl {
  ServerConfig config;
  Log log;
  Api api;
  std::optional<Workshop> workshop;
  std::vector<std::unique_ptr<SessionLoop>> loops;
  std::optional<Acceptor> acceptor;  // lives on the first loop
  std::optional<LoopTimer> accept_pause;
  std::size_t next_loop = 0;
  std::string address;
  std::uint16_t port = 0;
  std::once_flag stop_once;
  std::mutex joining;
  // Last, so that they end first: their jobs use all of the above.
  std::optional<WorkerPool> readers, writers;

  Impl(storage::Database& database, ServerConfig given, Log given_log)
      : config(std::move(given)),
        log(std::move(given_log)),
        api(database, config.request,
            {config.access, log, config.data_directory,
             {config.recovery_folders.begin(), config.recovery_folders.end()}}) {}

  void open();
  void accept();
  void pause_accepting();
  void stop_accepting();
};

void HttpServer::Impl::open() {
  asio::io_context& context = loops.front()->context();
  asio::ip::basic_resolver<tcp, LoopExecutor> resolver(context);
  Code error;
  const auto found = resolver.resolve(config.host, std::to_string(config.port), tcp::resolver::passive, error);
  if (error || found.empty())
    throw index::Error(ErrorCode::invalid_argument,
                       "cannot listen on host \"" + config.host + "\": " + error.message() + " (see --host)");
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.emplace(context);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    acceptor.reset();
    cannot_listen(config, error);
  }
  const tcp::endpoint local = acceptor->local_endpoint();
  port = local.port();
  address = endpoint_text(local.address().to_string(), port);
}

void HttpServer::Impl::accept() {
  SessionLoop& loop = *loops[next_loop++ % loops.size()];
  acceptor->async_accept(loop.context(), [this, &loop](Code error, LoopSocket socket) {
    if (!acceptor->is_open()) return;
    if (!error) loop.adopt(std::move(socket));
    if (!error || error == asio::error::connection_aborted) return accept();
    if (log) log("accepting a connection failed: " + error.message());
    pause_accepting();
  });
}

void HttpServer::Impl::pause_accepting() {
  accept_pause->expires_after(kAcceptPause);
  accept_pause->async_wait([this](Code error) {
    if (!error && acceptor->is_open()) accept();
  });
}

void HttpServer::Impl::stop_accepting() {
  // Connections accepted so far were handed to their loops before this; they are drained like the others.
  asio::post(loops.front()->context(), [this] {
    Code ignored;
    acceptor->close(ignored);
    accept_pause->cancel();
    for (auto& loop : loops) loop->drain();
  });
}

HttpServer::HttpServer(storage::Database& database, ServerConfig config, Log log)
    : impl_(std::make_unique<Impl>(database, std::move(config), std::move(log))) {}

HttpServer::~HttpServer() { stop(); }

void HttpServer::start() {
  Impl& impl = *impl_;
  const ServerConfig& config = impl.config;
  check_config(config);
  impl.readers.emplace(worker_count(config.read_workers), config.connection.queued_requests);
  impl.writers.emplace(worker_count(config.write_workers), config.connection.queued_requests);
  impl.workshop.emplace(impl.api, config.connection, *impl.readers, *impl.writers);
  read_certificates();
  impl.workshop->access_log = config.access_log;
  for (unsigned i = 0; i < worker_count(config.io_threads); ++i)
    impl.loops.push_back(std::make_unique<SessionLoop>(*impl.workshop));
  try {
    impl.open();
  } catch (...) {
    impl.loops.clear();
    throw;
  }
  impl.accept_pause.emplace(impl.loops.front()->context());
  impl.accept();
  for (auto& loop : impl.loops) loop->start();
}

std::uint16_t HttpServer::port() const { return impl_->port; }
std::string HttpServer::address() const { return impl_->address; }
std::string HttpServer::url() const { return (impl_->config.tls.wanted() ? "https://" : "http://") + impl_->address; }

void HttpServer::read_certificates() {
  Impl& impl = *impl_;
  if (!impl.config.tls.wanted()) return;
  impl.workshop->tls.set(std::make_shared<asio::ssl::context>(make_tls_context(impl.config.tls)));
}

void HttpServer::request_stop() {
  if (!impl_->acceptor) return;  // never started
  std::call_once(impl_->stop_once, [this] {
    impl_->api.begin_stop();
    impl_->stop_accepting();
  });
}

void HttpServer::abort() {
  for (auto& loop : impl_->loops) loop->cut();
}

void HttpServer::wait() {
  std::lock_guard lock(impl_->joining);
  for (auto& loop : impl_->loops) loop->join();
  impl_->readers.reset();
  impl_->writers.reset();
}

}  // namespace nestor::server
