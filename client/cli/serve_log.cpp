#include "client/cli/serve_log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "index/error.h"
#include "server/json_writer.h"

namespace nestor::client {
namespace {

constexpr std::size_t kQueuedLines = 8192;

constexpr const char* kTextPattern = "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";

}  // namespace

struct ServeLog::Impl {
  server::LogFormat format = server::LogFormat::text;
  std::shared_ptr<spdlog::details::thread_pool> thread =
      std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
  std::shared_ptr<spdlog::logger> events, access;
  std::string access_file;  // empty: none of its own
  std::shared_ptr<spdlog::sinks::dist_sink_mt> access_files = std::make_shared<spdlog::sinks::dist_sink_mt>();

  const char* pattern() const { return format == server::LogFormat::json ? kJsonPattern : kTextPattern; }
  // Throws Error: it cannot be opened.
  void open_access_file() {
    try {
      const auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(access_file);
      file->set_pattern(pattern());
      access_files->set_sinks({file});
    } catch (const spdlog::spdlog_ex& error) {
      throw index::Error(index::ErrorCode::permission_denied, std::string("log.access: ") + error.what());
    }
  }

  std::shared_ptr<spdlog::logger> make(const std::string& name, spdlog::sink_ptr sink) {
    auto log = std::make_shared<spdlog::async_logger>(name, std::move(sink), thread,
                                                      spdlog::async_overflow_policy::overrun_oldest);
    log->set_pattern(pattern());
    return log;
  }
};

ServeLog::ServeLog(const ServeConfig& config) : impl_(std::make_shared<Impl>()) {
  impl_->format = config.log_format;
  const auto errors = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  impl_->events = impl_->make("nestor", errors);
  impl_->events->set_level(spdlog::level::from_str(config.log_level));
  impl_->events->flush_on(spdlog::level::info);
  if (config.access_log == "off") return;
  spdlog::sink_ptr sink = errors;
  if (config.access_log != "stderr") {
    impl_->access_file = config.access_log;
    impl_->open_access_file();
    sink = impl_->access_files;
  }
  impl_->access = impl_->make("access", std::move(sink));
  impl_->access->flush_on(spdlog::level::info);
}

ServeLog::~ServeLog() = default;

void ServeLog::info(const std::string& line) {
  if (impl_->format == server::LogFormat::text) return impl_->events->info(line);
  std::string member = "\"message\":";
  server::append_string(member, line);
  impl_->events->info(member);
}

void ServeLog::reopen() {
  if (impl_->access_file.empty()) return;
  try {
    impl_->open_access_file();
  } catch (const index::Error& error) {
    info(error.what());
  }
}

server::AccessSink ServeLog::access_sink() {
  if (!impl_->access) return {};
  return [impl = impl_](const server::AccessEntry& entry) {
    impl->access->log(spdlog::level::info, server::access_line(entry, impl->format));
  };
}

}  // namespace nestor::client
