#include "client/cpp/channel.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "client/cpp/connection.h"

namespace nestor::client {
namespace {

namespace ssl = boost::asio::ssl;
using index::Error;
using index::ErrorCode;
using nlohmann::json;

constexpr std::chrono::milliseconds kFirstPause{50};
constexpr unsigned kLongestWait = 9;  // seconds that a server may ask for

// The reverse of what the server does with an Error.
ErrorCode code_of(int status, const std::string& message) {
  switch (status) {
    case 401:
    case 403: return ErrorCode::permission_denied;
    case 404: return ErrorCode::not_found;
    case 408:
    case 429:
    case 503: return ErrorCode::unavailable;
    case 409:
      return message.find("already exists") != std::string::npos ? ErrorCode::already_exists
                                                                 : ErrorCode::failed_precondition;
    case 507: return ErrorCode::resource_exhausted;
    default: return status >= 500 ? ErrorCode::internal : ErrorCode::invalid_argument;
  }
}

// "Wrong input: " and its like say what the code says.
std::string without_prefix(const std::string& message) {
  for (const std::string_view prefix : {"Wrong input: ", "Not found: ", "Bad request: ", "Forbidden: ",
                                        "Service unavailable: ", "Service internal error: ", "Insufficient storage: "})
    if (message.starts_with(prefix)) return message.substr(prefix.size());
  return message;
}

[[noreturn]] void throw_answer(const WireAnswer& answer) {
  const json body = json::parse(answer.body, nullptr, false);
  std::string message = answer.body.substr(0, 500);
  if (body.is_object() && body.contains("status") && body["status"].is_object())
    message = body["status"].value("error", message);
  throw Error(code_of(answer.status, message),
              without_prefix(message) + " (HTTP " + std::to_string(answer.status) + ")");
}

json result_of(const WireAnswer& answer) {
  json body = json::parse(answer.body, nullptr, false);
  if (!body.is_object() || !body.contains("result"))
    throw Error(ErrorCode::internal, "the server's answer is not understood: " + answer.body.substr(0, 200));
  return std::move(body["result"]);
}

}  // namespace

struct Channel::Impl {
  explicit Impl(RemoteOptions given) : options(std::move(given)), url(parse_url(options.url)) {
    if (!url.https) return;
    tls.emplace(ssl::context::tls_client);
    boost::system::error_code error;
    tls->set_verify_mode(ssl::verify_peer, error);
    if (options.ca_file.empty())
      tls->set_default_verify_paths(error);
    else
      tls->load_verify_file(options.ca_file, error);
    if (error)
      throw Error(ErrorCode::invalid_argument,
                  "cannot use the authorities in \"" + options.ca_file + "\": " + error.message());
  }

  // A kept connection, or a new one.
  std::unique_ptr<Connection> take() {
    while (true) {
      std::unique_ptr<Connection> kept;
      {
        const std::lock_guard lock(mutex);
        if (idle.empty()) break;
        kept = std::move(idle.back());
        idle.pop_back();
      }
      if (kept->is_open()) return kept;
    }
    return std::make_unique<Connection>(url, tls ? &*tls : nullptr, options.connect_timeout);
  }
  void give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex);
    if (idle.size() < options.idle_connections) idle.push_back(std::move(connection));
  }

  WireAnswer exchange(const RemoteRequest& request) {
    const std::string target = url.prefix + request.target;
    auto connection = take();
    WireAnswer answer = connection->exchange({request.method, target, request.body, options.api_key}, options.timeout);
    if (answer.keep_alive) give_back(std::move(connection));
    return answer;
  }

  const RemoteOptions options;
  const Url url;
  std::optional<ssl::context> tls;
  std::mutex mutex;
  std::vector<std::unique_ptr<Connection>> idle;  // guarded by mutex
};

Channel::Channel(RemoteOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Channel::~Channel() = default;
const RemoteOptions& Channel::options() const { return impl_->options; }

json Channel::call(const RemoteRequest& request) {
  const unsigned attempts = request.repeat == Repeat::allowed ? impl_->options.retries + 1 : 1;
  std::chrono::milliseconds pause = kFirstPause;
  for (unsigned attempt = 1;; ++attempt) {
    try {
      const WireAnswer answer = impl_->exchange(request);
      const bool busy = answer.status == 429 || answer.status == 503;
      if (answer.status < 300) return result_of(answer);
      if (!busy || attempt == attempts) throw_answer(answer);
      if (answer.retry_after > 0)
        pause = std::max<std::chrono::milliseconds>(pause,
                                                    std::chrono::seconds(std::min(answer.retry_after, kLongestWait)));
    } catch (const WireError& error) {
      if (attempt == attempts) throw Error(ErrorCode::unavailable, error.what);
    }
    std::this_thread::sleep_for(pause);
    pause *= 2;
  }
}

std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

}  // namespace nestor::client
