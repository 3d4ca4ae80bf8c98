#include "storage/import/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "index/error.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

[[noreturn]] void throw_errno(const std::string& path, int number) {
  ErrorCode code = ErrorCode::internal;
  if (number == ENOENT || number == ENOTDIR) code = ErrorCode::not_found;
  if (number == EACCES || number == EPERM) code = ErrorCode::permission_denied;
  if (number == EMFILE || number == ENFILE || number == ENOMEM) code = ErrorCode::resource_exhausted;
  if (number == ENAMETOOLONG || number == ELOOP) code = ErrorCode::invalid_argument;
  throw Error(code, "cannot read " + path + ": " + std::generic_category().message(number));
}

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: opening a named pipe must fail below, not wait for a writer.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) throw_errno(path, errno);
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) {
    const int number = errno;
    ::close(descriptor_);
    throw_errno(path, number);
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw Error(ErrorCode::invalid_argument, path + " is not a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), size_(other.size_), descriptor_(std::exchange(other.descriptor_, -1)) {}

void InputFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(path_, errno);
    if (got == 0) {
      throw Error(ErrorCode::data_loss, path_ + " became shorter while it was read: had " + std::to_string(size_) +
                                            " bytes, now ends at " + std::to_string(offset + done));
    }
    done += static_cast<std::size_t>(got);
  }
}

}  // namespace nestor::storage
