// Snapshots of a collection or of everything: made, listed, downloaded, recovered, deleted. With `wait=false` the
// answer is 202 at once, and the work is done behind it; an upload is recovered before it is answered.
#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include "server/collection_config.h"
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/uploaded_part.h"

namespace nestor::server {
namespace {

namespace fs = std::filesystem;
using storage::SnapshotInfo;
using storage::SnapshotScope;

constexpr const char* kSnapshotPart = "snapshot";

// "2026-01-31T12:00:00", UTC.
std::string shown_time(std::chrono::system_clock::time_point when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return text;
}

void append_description(std::string& out, const SnapshotInfo& info) {
  out += "{\"name\":";
  append_string(out, info.name);
  out += ",\"creation_time\":";
  append_string(out, shown_time(info.created));
  out += ",\"size\":";
  append_unsigned(out, info.bytes);
  out += ",\"checksum\":";
  if (info.sha256.empty())
    out += "null";
  else
    append_string(out, info.sha256);
  out += '}';
}

// The first path parameter where there is a collection in the path; an alias is resolved.
SnapshotScope scope_of(Context& context, const Call& call, bool whole) {
  if (whole) return std::nullopt;
  return context.catalog.open(call.parameters[0])->name();
}

[[noreturn]] void no_such_snapshot(const std::string& name) {
  throw HttpError(404, "Not found: Snapshot `" + name + "` doesn't exist!");
}

// What is no snapshot's name is that of none.
std::filesystem::path find_snapshot(Context& context, const SnapshotScope& scope, const std::string& name) {
  try {
    return context.database.snapshot_file(scope, name);
  } catch (const index::Error& error) {
    if (error.code() != index::ErrorCode::invalid_argument && error.code() != index::ErrorCode::not_found) throw;
    no_such_snapshot(name);
  }
}

void list(Context& context, const Call& call, Response& response, bool whole) {
  response.body += '[';
  bool first = true;
  for (const SnapshotInfo& info : context.database.snapshots(scope_of(context, call, whole))) {
    if (!first) response.body += ',';
    first = false;
    append_description(response.body, info);
  }
  response.body += ']';
}

// Now, or after the answer where the client does not wait. The work appends its result; it owns what it uses.
void run(Context& context, const Call& call, Response& response, std::function<void(std::string& out)> work) {
  if (call.query_flag("wait", true)) return work(response.body);
  const auto later = [&context, what = std::string(call.request.target), work = std::move(work)] {
    try {
      std::string unread;
      work(unread);
    } catch (const HttpError& error) {
      if (context.log) context.log(what + " failed after it was accepted: " + error.message());
    } catch (const std::exception& error) {
      if (context.log) context.log(what + " failed after it was accepted: " + error.what());
    }
  };
  if (!context.errands.submit(later))
    throw index::Error(index::ErrorCode::unavailable, "too many snapshots are being made or recovered");
  response.status = 202;
}

void create(Context& context, const Call& call, Response& response, bool whole) {
  run(context, call, response, [&context, scope = scope_of(context, call, whole)](std::string& out) {
    append_description(out, context.database.create_snapshot(scope));
  });
}

void remove(Context& context, const Call& call, Response& response, bool whole) {
  const std::string& name = call.parameters.back();
  const SnapshotScope scope = scope_of(context, call, whole);
  find_snapshot(context, scope, name);
  run(context, call, response, [&context, scope, name](std::string& out) {
    if (!context.database.delete_snapshot(scope, name)) no_such_snapshot(name);
    out += "true";
  });
}

// The answer is made in memory, so a large snapshot is refused: its file can be copied.
void download(Context& context, const Call& call, Response& response, bool whole) {
  const auto path = find_snapshot(context, scope_of(context, call, whole), call.parameters.back());
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw index::Error(index::ErrorCode::not_found, "the snapshot " + path.filename().string() + " is gone");
  const auto bytes = static_cast<std::size_t>(file.tellg());
  if (bytes > context.limits.answer_bytes)
    bad_request("the snapshot has " + std::to_string(bytes) + " bytes, downloads are limited to " +
                std::to_string(context.limits.answer_bytes) + ": copy the file from the server's data directory");
  response.content_type = "application/octet-stream";
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + path.filename().string() + "\"");
  response.body.resize(bytes);
  file.seekg(0);
  if (!file.read(response.body.data(), static_cast<std::streamsize>(bytes)))
    throw index::Error(index::ErrorCode::internal, "cannot read the snapshot " + path.filename().string());
}

// ---- recovery ----

// Whether `file` lies below `folder`, links resolved.
bool lies_in(const fs::path& file, const fs::path& folder) {
  std::error_code error;
  const fs::path root = fs::weakly_canonical(folder, error);
  if (error) return false;
  return std::mismatch(root.begin(), root.end(), file.begin(), file.end()).first == root.end();
}

// The server must not read any file for whoever may ask it: only snapshots, from where they are meant to lie.
fs::path allowed_path(const Context& context, const fs::path& path) {
  std::error_code error;
  const fs::path file = fs::weakly_canonical(path, error);
  bool allowed = !error && lies_in(file, context.database.snapshot_directory());
  for (const fs::path& folder : context.recovery_folders) allowed = allowed || (!error && lies_in(file, folder));
  if (!allowed)
    throw index::Error(index::ErrorCode::permission_denied,
                       "snapshots are recovered from the folder `snapshots` of the data directory, not from " +
                           path.string() + " (setting snapshots.folders allows others)");
  if (!fs::exists(file, error)) throw index::Error(index::ErrorCode::not_found, "there is no file " + path.string());
  if (!fs::is_regular_file(file, error)) bad_request(path.string() + " is not a file");
  return file;
}

fs::path local_path(const std::string& location) {
  constexpr std::string_view kFile = "file://";
  if (location.starts_with("http://") || location.starts_with("https://"))
    bad_request("this server fetches no snapshots from URLs: upload it, or give the file:// path of one on the server");
  if (!location.starts_with(kFile)) bad_request("`location` must be a file:// URL, got \"" + location + "\"");
  std::string_view rest = std::string_view(location).substr(kFile.size());
  constexpr std::string_view kHere = "localhost/";
  if (rest.starts_with(kHere)) rest.remove_prefix(kHere.size() - 1);
  const auto path = percent_decode(rest, false);
  if (!path || !path->starts_with('/') || path->find('\0') != std::string::npos)
    bad_request("Invalid snapshot URI, file path must be absolute or on localhost, got \"" + location + "\"");
  return *path;
}

// What is no snapshot, or a damaged one, is the sender's matter, not damage of what is stored here.
void recover_from(Context& context, const std::string& name, const fs::path& file,
                  const std::optional<std::string>& sha256) {
  try {
    context.database.recover_collection(name, file, {.sha256 = sha256});
  } catch (const index::Error& error) {
    if (error.code() != index::ErrorCode::data_loss) throw;
    bad_request(error.what());
  }
}

void recover(Context& context, const Call& call, Response& response) {
  check_collection_name(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  required_field(document.root(), "location");
  const fs::path path = allowed_path(context, local_path(*string_field(document.root(), "location")));
  run(context, call, response,
      [&context, name = call.parameters[0], path,
       checksum = string_field(document.root(), "checksum")](std::string& out) {
        recover_from(context, name, path, checksum);
        out += "true";
      });
}

void upload(Context& context, const Call& call, Response& response) {
  check_collection_name(call.parameters[0]);
  recover_from(context, call.parameters[0], call.request.upload->finish(), call.query_value("checksum"));
  response.body += "true";
}

}  // namespace

void add_snapshot_routes(Router& router, Context& context) {
  const auto add = [&](const std::string& home, bool whole) {
    const auto route = [&](const char* method, const std::string& last, Lane lane, bool enveloped, auto handler) {
      router.add({method, home + last, lane, enveloped, [&context, whole, handler](const Call& call, Response& response) {
                    handler(context, call, response, whole);
                  }});
    };
    route("GET", "", Lane::read, true, list);
    route("POST", "", Lane::write, true, create);
    route("GET", "/{snapshot}", Lane::read, false, download);
    route("DELETE", "/{snapshot}", Lane::write, true, remove);
  };
  add("/snapshots", true);
  add("/collections/{name}/snapshots", false);
  router.add({"PUT", "/collections/{name}/snapshots/recover", Lane::write, true,
              [&](const Call& call, Response& response) { recover(context, call, response); }});
  router.add({"POST", "/collections/{name}/snapshots/upload", Lane::write, true,
              [&](const Call& call, Response& response) { upload(context, call, response); },
              {},
              kSnapshotPart});
}

}  // namespace nestor::server
