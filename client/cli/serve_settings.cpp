#include "client/cli/serve_settings.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "client/cli/setting_text.h"
#include "client/cli/text_file.h"
#include "index/error.h"

namespace nestor::client {
namespace {

using index::Error;
using index::ErrorCode;

// Each is given as the function that finds the field: [](auto& c) -> auto& { return c.server.port; }
template <typename Field>
Setting text(std::string name, std::string help, Field field, bool secret = false) {
  return {std::move(name), std::move(help), [field](ServeConfig& c, const std::string& value) { field(c) = value; },
          [field](const ServeConfig& c) { return field(c); }, secret};
}

template <typename Field>
Setting number(std::string name, std::string help, std::uint64_t low, std::uint64_t high, Field field) {
  return {std::move(name), std::move(help),
          [=](ServeConfig& c, const std::string& value) {
            using Number = std::remove_reference_t<decltype(field(c))>;
            field(c) = static_cast<Number>(read_number(value, low, high));
          },
          [field](const ServeConfig& c) { return std::to_string(field(c)); }};
}

template <typename Field>
Setting bytes(std::string name, std::string help, Field field) {
  return {std::move(name), std::move(help),
          [field](ServeConfig& c, const std::string& value) { field(c) = read_bytes(value); },
          [field](const ServeConfig& c) { return show_bytes(field(c)); }};
}

template <typename Field>
Setting duration(std::string name, std::string help, Field field) {
  return {std::move(name), std::move(help),
          [field](ServeConfig& c, const std::string& value) { field(c) = read_duration(value); },
          [field](const ServeConfig& c) { return show_duration(field(c)); }};
}

template <typename Field>
Setting choice(std::string name, std::string help, std::vector<std::string> choices, Field field) {
  return {std::move(name), std::move(help),
          [=](ServeConfig& c, const std::string& value) {
            if (std::find(choices.begin(), choices.end(), value) == choices.end())
              throw Error(ErrorCode::invalid_argument,
                          "\"" + value + "\" is not one of " + CLI::detail::join(choices, ", "));
            field(c) = value;
          },
          [field](const ServeConfig& c) { return std::string(field(c)); }};
}

// Kept out of the process list and of backups of the file: a secret in a file of its own, first line.
template <typename Field>
Setting secret_file(std::string name, std::string help, Field field) {
  return {std::move(name), std::move(help),
          [field](ServeConfig& c, const std::string& path) {
            std::ifstream in(path);
            std::string line;
            if (!in || !std::getline(in, line))
              throw Error(ErrorCode::invalid_argument, "cannot read a key from \"" + path +
                                                           "\": " + (in.eof() ? "it is empty" : std::strerror(errno)));
            line.erase(0, line.size() - without_byte_order_mark(line, path).size());
            while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
            if (line.empty()) throw Error(ErrorCode::invalid_argument, "the first line of \"" + path + "\" is empty");
            field(c) = line;
          },
          [](const ServeConfig&) { return std::string(); }};
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    const std::size_t first = part.find_first_not_of(' ');
    if (first != std::string::npos) out.push_back(part.substr(first, part.find_last_not_of(' ') - first + 1));
  }
  return out;
}

// As in a URL: [::1] is ::1.
std::string without_brackets(const std::string& host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

void add_general(std::vector<Setting>& all) {
  all.push_back(text(
      "data", "Directory that holds the collections; made when missing", [](auto& c) -> auto& { return c.directory; }));
  all.push_back({"host", "Address to listen on",
                 [](ServeConfig& c, const std::string& value) { c.server.host = without_brackets(value); },
                 [](const ServeConfig& c) { return c.server.host; }});
  all.push_back(number(
      "port", "Port to listen on, 0 for any free one", 0, 65535, [](auto& c) -> auto& { return c.server.port; }));
  all.push_back(number(
      "threads", "Threads that search and build, 0 for all cores", 0, 4096,
      [](auto& c) -> auto& { return c.threads; }));
  all.push_back(choice(
      "resident", "What is held in memory: codes (links and all codes), or walk (links and what walks read; the rest is "
                  "mapped from disk: less memory, slower where it is not cached)",
      {"codes", "walk"}, [](auto& c) -> auto& { return c.resident; }));
  all.push_back(number(
      "io_threads", "Threads that read and write connections, 0 for all cores", 0, 4096,
      [](auto& c) -> auto& { return c.server.io_threads; }));
  all.push_back(number(
      "write_threads", "Threads that write points", 1, 4096, [](auto& c) -> auto& { return c.server.write_workers; }));
}

void add_access(std::vector<Setting>& all) {
  all.push_back(text(
      "api_key", "Key that allows everything", [](auto& c) -> auto& { return c.server.access.api_key; }, true));
  all.push_back(secret_file(
      "api_key_file", "File with that key in its first line",
      [](auto& c) -> auto& { return c.server.access.api_key; }));
  all.push_back(text(
      "read_only_api_key", "Key that allows reading",
      [](auto& c) -> auto& { return c.server.access.read_only_api_key; }, true));
  all.push_back(secret_file(
      "read_only_api_key_file", "File with that key in its first line",
      [](auto& c) -> auto& { return c.server.access.read_only_api_key; }));
  all.push_back({"allow_exposed", "Listen beyond this machine without any key",
                 [](ServeConfig& c, const std::string& value) { c.server.allow_exposed = read_flag(value); },
                 [](const ServeConfig& c) { return std::string(c.server.allow_exposed ? "true" : "false"); }});
  all.push_back(text(
      "tls.certificate_file", "Serve HTTPS with this certificate chain (PEM)",
      [](auto& c) -> auto& { return c.server.tls.certificate; }));
  all.push_back(text(
      "tls.key_file", "... and its key (PEM)", [](auto& c) -> auto& { return c.server.tls.key; }));
  all.push_back({"snapshots.folders", "Further folders that snapshots may be recovered from, with commas between",
                 [](ServeConfig& c, const std::string& value) { c.server.recovery_folders = split_list(value); },
                 [](const ServeConfig& c) { return CLI::detail::join(c.server.recovery_folders, ","); }});
  all.push_back({"cors.origins", "Web pages that may call: origins with commas between, * for all",
                 [](ServeConfig& c, const std::string& value) { c.server.access.cors_origins = split_list(value); },
                 [](const ServeConfig& c) { return CLI::detail::join(c.server.access.cors_origins, ","); }});
}

void add_logs(std::vector<Setting>& all) {
  all.push_back(text(
      "log.access", "One line per request: off, stderr, or a file", [](auto& c) -> auto& { return c.access_log; }));
  all.push_back(
      {"log.format", "text or json",
       [](ServeConfig& c, const std::string& value) {
         if (value != "text" && value != "json")
           throw Error(ErrorCode::invalid_argument, "\"" + value + "\" is neither text nor json");
         c.log_format = value == "json" ? server::LogFormat::json : server::LogFormat::text;
       },
       [](const ServeConfig& c) { return std::string(c.log_format == server::LogFormat::json ? "json" : "text"); }});
  all.push_back(choice(
      "log.level", "debug, info, warning, error or off", {"debug", "info", "warning", "error", "off"},
      [](auto& c) -> auto& { return c.log_level; }));
}

void add_limits(std::vector<Setting>& all) {
  using Limits = server::ConnectionLimits;
  const auto of = [](auto member) {
    return [member](auto& c) -> auto& { return c.server.connection.*member; };
  };
  constexpr std::uint64_t kMany = 1'000'000;
  all.push_back(bytes("limits.body_bytes", "Largest body, at most 1GiB: 413", of(&Limits::body_bytes)));
  all.push_back(bytes("limits.upload_bytes", "Largest snapshot uploaded; it goes to disk as it arrives: 413",
                      of(&Limits::upload_bytes)));
  all.push_back(bytes("limits.header_bytes", "Largest header, at most 32KiB: 431", of(&Limits::header_bytes)));
  all.push_back(bytes("limits.target_bytes", "Longest path with its query: 414", of(&Limits::target_bytes)));
  all.push_back(number("limits.connections", "Open connections; beyond: 503", 1, kMany, of(&Limits::connections)));
  all.push_back(number("limits.queued_requests", "Requests that wait for a thread; beyond: 503", 0, kMany,
                       of(&Limits::queued_requests)));
  all.push_back(duration("limits.idle_timeout", "Between two requests", of(&Limits::idle_timeout)));
  all.push_back(duration("limits.header_timeout", "To receive a header: 408", of(&Limits::header_timeout)));
  all.push_back(duration("limits.receive_timeout", "To receive a request: 408", of(&Limits::receive_timeout)));
  all.push_back(duration("limits.request_timeout", "To answer a request: 408", of(&Limits::request_timeout)));
  all.push_back(duration("limits.send_timeout", "To send an answer", of(&Limits::send_timeout)));
  all.push_back(duration("limits.drain_timeout", "To finish requests when stopping", of(&Limits::drain_timeout)));
}

void add_request_limits(std::vector<Setting>& all) {
  using Limits = server::RequestLimits;
  const auto of = [](auto member) {
    return [member](auto& c) -> auto& { return c.server.request.*member; };
  };
  all.push_back(number("limits.json_depth", "Lists and objects inside each other", 8, 1000, of(&Limits::json_depth)));
  all.push_back(
      number("limits.points", "Points written, read or deleted by one request", 1, 10'000'000, of(&Limits::points)));
  all.push_back(number("limits.searches", "Queries in one request", 1, 1'000'000, of(&Limits::searches)));
  all.push_back(
      number("limits.filter_conditions", "Conditions in one filter", 1, 1'000'000, of(&Limits::filter_conditions)));
  all.push_back({"watched_share", "Certified queries that are searched again, exactly, to watch their promise; 0: none",
                 [](ServeConfig& c, const std::string& value) { c.server.request.shadow_share = read_share(value); },
                 [](const ServeConfig& c) { return show_share(c.server.request.shadow_share); }});
  all.push_back(
      bytes("gzip_bytes", "Compress answers from this size on, when asked; 0: never", of(&Limits::gzip_bytes)));
  all.push_back(bytes("limits.answer_bytes", "Largest answer", of(&Limits::answer_bytes)));
}

const Setting* find_setting(const std::string& name) {
  for (const Setting& setting : serve_settings())
    if (setting.name == name) return &setting;
  return nullptr;
}

// Letters changed, left out, put in or swapped with their neighbour (Damerau, optimal string alignment).
std::size_t distance_between(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> steps(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      std::size_t& here = steps[i][j];
      here = i == 0 ? j : j == 0 ? i : steps[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      if (i == 0 || j == 0) continue;
      here = std::min({here, steps[i - 1][j] + 1, steps[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        here = std::min(here, steps[i - 2][j - 2] + 1);
    }
  return steps[a.size()][b.size()];
}

// Other programs may have variables that begin alike; one that is nearly a setting's is a mistake.
void check_environment() {
  constexpr std::string_view kPrefix = "NESTOR_";
  constexpr std::array<std::string_view, 2> kOthers = {"NESTOR_CONFIG", "NESTOR_KERNEL"};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::string name(line.substr(0, line.find('=')));
    if (!name.starts_with(kPrefix) || std::find(kOthers.begin(), kOthers.end(), name) != kOthers.end()) continue;
    std::string nearest;
    std::size_t least = 2;
    for (const Setting& setting : serve_settings())
      if (const std::size_t far = distance_between(name, setting.variable()); far < least) {
        least = far;
        nearest = setting.variable();
      }
    if (!nearest.empty() && least > 0)
      throw Error(ErrorCode::invalid_argument,
                  "environment variable " + name + ": there is no such setting, is " + nearest + " meant?");
  }
}

// Remembers who set what, and says where a bad value stood.
class Reader {
 public:
  void apply(const std::string& name, const std::string& value, const std::string& source, const std::string& place) {
    const Setting* setting = find_setting(name);
    if (!setting)
      throw Error(ErrorCode::invalid_argument,
                  place + ": there is no setting \"" + name + "\" (nestor config check --list shows all)");
    try {
      setting->set(config, value);
    } catch (const Error& error) {
      throw Error(error.code(), place + ": " + error.what());
    }
    source_of[name] = source;
  }

  void file(const std::string& path) {
    std::ifstream from(path);
    if (!from)
      throw Error(ErrorCode::not_found, "cannot read the configuration \"" + path + "\": " + std::strerror(errno));
    const std::string text{std::istreambuf_iterator<char>(from), {}};
    std::istringstream in{std::string(without_byte_order_mark(text, path))};
    std::vector<CLI::ConfigItem> items;
    try {
      items = CLI::ConfigTOML().from_config(in);
    } catch (const CLI::Error& error) {
      throw Error(ErrorCode::invalid_argument, path + ": " + error.what());
    }
    for (const CLI::ConfigItem& item : items) {
      if (item.name == "++" || item.name == "--") continue;  // where a table begins and ends
      apply(item.fullname(), CLI::detail::join(item.inputs, ","), "file", path + ": " + item.fullname());
    }
  }

  ServeConfig config;
  std::map<std::string, std::string> source_of;
};

}  // namespace

std::string Setting::variable() const {
  std::string out = "NESTOR_" + name;
  for (char& c : out) c = c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::string Setting::flag() const {
  std::string out = "--" + name;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '.' || c == '_'; }, '-');
  return out;
}

const std::vector<Setting>& serve_settings() {
  static const std::vector<Setting> all = [] {
    std::vector<Setting> settings;
    add_general(settings);
    add_access(settings);
    add_logs(settings);
    add_limits(settings);
    add_request_limits(settings);
    return settings;
  }();
  return all;
}

ServeConfig read_serve_config(const std::string& file, const Flags& flags, std::vector<SettingSource>* sources) {
  Reader reader;
  if (!file.empty()) reader.file(file);
  check_environment();
  for (const Setting& setting : serve_settings())
    if (const char* value = std::getenv(setting.variable().c_str()); value && *value)
      reader.apply(setting.name, value, "environment", setting.variable());
  for (const auto& [name, value] : flags) {
    const Setting* setting = find_setting(name);
    reader.apply(name, value, "flag", setting ? setting->flag() : name);
  }
  if (sources)
    for (const Setting& setting : serve_settings()) {
      const auto found = reader.source_of.find(setting.name);
      sources->push_back({setting.name, found == reader.source_of.end() ? "default" : found->second});
    }
  return std::move(reader.config);
}

}  // namespace nestor::client
