#include "client/cli/text_file.h"

#include <zlib.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "index/error.h"

namespace nestor::client {

using index::Error;
using index::ErrorCode;

namespace {

struct Close {
  void operator()(gzFile file) const { ::gzclose_r(file); }
};
using File = std::unique_ptr<gzFile_s, Close>;

File open_file(const std::string& path) {
  errno = 0;
  if (File file(::gzopen(path.c_str(), "rb")); file) return file;
  const int why = errno;
  const auto code = why == ENOENT || why == ENOTDIR ? ErrorCode::not_found
                    : why == EACCES                 ? ErrorCode::permission_denied
                                                    : ErrorCode::internal;
  throw Error(code, "cannot open " + path + ": " + std::generic_category().message(why));
}

[[noreturn]] void fail(gzFile file, const std::string& path) {
  int code = Z_OK;
  const std::string text = ::gzerror(file, &code);
  if (code == Z_ERRNO)
    throw Error(ErrorCode::internal, "cannot read " + path + ": " + std::generic_category().message(errno));
  throw Error(ErrorCode::invalid_argument,
              path + " is a damaged gzip file" + (code == Z_BUF_ERROR ? ": it ends too early" : ""));
}

}  // namespace

std::string read_text_file(const std::string& path) {
  const File file = open_file(path);  // passes over what is not gzip as it is
  std::string text;
  constexpr std::size_t kBlock = 1 << 20;
  for (std::size_t size = 0;;) {
    text.resize(size + kBlock);
    const int got = ::gzread(file.get(), text.data() + size, kBlock);
    if (got < 0) fail(file.get(), path);
    size += static_cast<std::size_t>(got);
    if (static_cast<std::size_t>(got) == kBlock) continue;
    int code = Z_OK;
    ::gzerror(file.get(), &code);
    if (code == Z_BUF_ERROR) fail(file.get(), path);
    text.resize(size);
    break;
  }
  return std::string(without_byte_order_mark(text, path));
}

std::string_view without_byte_order_mark(std::string_view text, const std::string& path) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    throw Error(ErrorCode::invalid_argument, path + " is UTF-16; save it as UTF-8");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

}  // namespace nestor::client
