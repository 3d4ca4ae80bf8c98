#pragma once
// A file that is uploaded in a form: written to disk as it arrives, so that it may be larger than memory.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "server/multipart.h"

namespace nestor::server {

// One thread at a time. The file goes with the object.
class UploadedPart {
 public:
  // In `directory`. Throws HttpError 400 when the body is no form, Error when the file cannot be made.
  UploadedPart(const std::filesystem::path& directory, std::string_view content_type, const std::string& name);
  ~UploadedPart();
  UploadedPart(const UploadedPart&) = delete;
  UploadedPart& operator=(const UploadedPart&) = delete;

  // The body's next bytes, kept in memory: no disk is waited for.
  void take(std::string_view bytes);
  // Time to store() what is kept before more is taken.
  bool is_full() const { return kept_.size() >= kBlockBytes; }
  // Writes what is kept to the file. Throws Error resource_exhausted: there is no room.
  void store();

  std::uint64_t received() const { return received_; }  // bytes of the body
  // The whole file, when the body is over. Throws HttpError 400: the form lacks the part, or its end.
  const std::filesystem::path& finish();
  // The file goes now, before the answer does: who has the answer finds no trace of the upload.
  void remove();

 private:
  static constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

  std::string name_;
  FormPartReader reader_;
  std::string kept_;
  std::uint64_t received_ = 0;
  std::filesystem::path path_;
  int fd_ = -1;
};

}  // namespace nestor::server
