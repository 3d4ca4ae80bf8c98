#include "server/session_loop.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <string_view>
#include <vector>

#include "server/session.h"

namespace nestor::server {
namespace {

namespace asio = boost::asio;

// Connections beyond the limit that may still ask for the server's health; more than these are turned away
// without being read.
constexpr std::size_t kHealthReserve = 64;
// A connection that has just answered is likely to be used again.
constexpr std::chrono::seconds kSpared{1};

constexpr std::string_view kTurnedAway =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 73\r\n"
    "Retry-After: 1\r\nConnection: close\r\n\r\n"
    "{\"status\":{\"error\":\"Service unavailable: too many connections\"},\"time\":0}";

constexpr std::string_view turned_away_body() { return kTurnedAway.substr(kTurnedAway.find("\r\n\r\n") + 4); }
static_assert(turned_away_body().size() == 73, "Content-Length must match");

// A fraction of the shortest timeout: that precise they are.
std::chrono::milliseconds interval_for(const ConnectionLimits& limits) {
  const auto shortest = std::min({limits.idle_timeout, limits.header_timeout, limits.receive_timeout,
                                  limits.request_timeout, limits.send_timeout, limits.drain_timeout});
  return std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
}

}  // namespace

SessionLoop::SessionLoop(Workshop& workshop)
    : workshop_(workshop),
      context_(1),
      work_(context_.get_executor()),
      timer_(context_.get_executor()),
      sweep_interval_(interval_for(workshop.limits)) {}

SessionLoop::~SessionLoop() = default;

void SessionLoop::start() {
  arm_timer();
  thread_ = std::thread([this] { context_.run(); });
}

void SessionLoop::join() {
  if (thread_.joinable()) thread_.join();
}

void SessionLoop::adopt(LoopSocket socket) {
  asio::post(context_, [this, socket = std::move(socket)]() mutable {
    const std::size_t limit = workshop_.limits.connections;
    std::size_t open = workshop_.connections.load();
    if (open >= limit && evict_idle()) --open;
    if (open >= limit + kHealthReserve && evict_spare()) --open;
    if (draining_ || open >= limit + kHealthReserve) {
      boost::system::error_code ignored;
      workshop_.api.metrics().connection_refused();
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(kTurnedAway), ignored);
      return;
    }
    std::make_shared<Session>(std::move(socket), *this, open >= limit)->start();
  });
}

// Closes the connection of this loop that can best be missed: one that has sent nothing yet, the oldest first, or
// else one that has been silent for longest. A flood of silent connections so pushes out itself.
bool SessionLoop::evict_idle() {
  const TimePoint spared = std::chrono::steady_clock::now() - kSpared;
  Session* victim = nullptr;
  for (Session* session : sessions_) {
    if (!session->is_idle() || (session->was_used() && session->since() > spared)) continue;
    if (!victim || session->was_used() < victim->was_used() ||
        (session->was_used() == victim->was_used() && session->since() < victim->since()))
      victim = session;
  }
  return evict(victim);
}

// Among those kept for health checks the oldest that has not sent a whole request: a check sends it at once.
bool SessionLoop::evict_spare() {
  Session* victim = nullptr;
  for (Session* session : sessions_)
    if (session->is_spare() && (!victim || session->since() < victim->since())) victim = session;
  return evict(victim);
}

bool SessionLoop::evict(Session* victim) {
  if (!victim) return false;
  victim->cut();
  workshop_.api.metrics().connection_evicted();
  return true;
}

void SessionLoop::enter(Session* session) {
  sessions_.insert(session);
  ++workshop_.connections;
  workshop_.api.metrics().connection_opened();
}

void SessionLoop::leave(Session* session) {
  if (sessions_.erase(session) == 0) return;
  --workshop_.connections;
  workshop_.api.metrics().connection_closed();
  finish_if_empty();
}

void SessionLoop::finish_if_empty() {
  if (!draining_ || !sessions_.empty()) return;
  timer_.cancel();
  work_.reset();
}

void SessionLoop::drain() {
  asio::post(context_, [this] {
    if (draining_) return;
    draining_ = true;
    drain_deadline_ = std::chrono::steady_clock::now() + workshop_.limits.drain_timeout;
    // A copy: a session that closes leaves the set.
    const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
    for (Session* session : sessions) session->drain();
    finish_if_empty();
  });
}

void SessionLoop::cut() {
  asio::post(context_, [this] { cut_all(); });
}

void SessionLoop::cut_all() {
  const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
  for (Session* session : sessions) session->cut();
}

void SessionLoop::arm_timer() {
  timer_.expires_after(sweep_interval_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    sweep();
    if (!draining_ || !sessions_.empty()) arm_timer();
  });
}

void SessionLoop::sweep() {
  const TimePoint now = std::chrono::steady_clock::now();
  if (now >= drain_deadline_) return cut_all();
  const std::vector<Session*> sessions(sessions_.begin(), sessions_.end());
  for (Session* session : sessions) session->sweep(now);
}

}  // namespace nestor::server
