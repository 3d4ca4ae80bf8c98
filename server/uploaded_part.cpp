#include "server/uploaded_part.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "index/error.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

[[noreturn]] void cannot_write(const std::filesystem::path& directory, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EMFILE || error == ENFILE;
  throw index::Error(full ? index::ErrorCode::resource_exhausted : index::ErrorCode::internal,
                     "cannot write an upload to " + directory.string() + ": " + std::strerror(error));
}

}  // namespace

UploadedPart::UploadedPart(const std::filesystem::path& directory, std::string_view content_type,
                           const std::string& name)
    : name_(name), reader_(content_type, name) {
  if (!reader_.is_form()) bad_request("an upload is multipart/form-data with a part named `" + name_ + "`");
  std::string pattern = (directory / "upload-XXXXXX").string();
  fd_ = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (fd_ < 0) cannot_write(directory, errno);
  path_ = pattern;
}

UploadedPart::~UploadedPart() { remove(); }

void UploadedPart::remove() {
  if (fd_ < 0) return;
  ::close(std::exchange(fd_, -1));
  ::unlink(path_.c_str());
}

void UploadedPart::take(std::string_view bytes) {
  received_ += bytes.size();
  reader_.feed(bytes, kept_);
}

void UploadedPart::store() {
  for (std::string_view rest = kept_; !rest.empty();) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot_write(path_.parent_path(), errno);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  kept_.clear();
}

const std::filesystem::path& UploadedPart::finish() {
  if (!reader_.is_complete()) bad_request("an upload is multipart/form-data with a part named `" + name_ + "`");
  store();
  return path_;
}

}  // namespace nestor::server
