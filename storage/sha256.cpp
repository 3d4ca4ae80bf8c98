#include "storage/sha256.h"

#include <fcntl.h>
#include <openssl/evp.h>

#include <array>
#include <vector>

#include "index/error.h"
#include "storage/file_io.h"

namespace nestor::storage {
namespace {

EVP_MD_CTX* context_of(void* context) { return static_cast<EVP_MD_CTX*>(context); }

void must(int result) {
  if (result != 1) throw index::Error(index::ErrorCode::internal, "the cryptographic library has no SHA-256");
}

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(context_of(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw index::Error(index::ErrorCode::resource_exhausted, "out of memory for a checksum");
  must(EVP_DigestInit_ex(context_of(context_.get()), EVP_sha256(), nullptr));
}

void Sha256::update(std::span<const std::byte> bytes) {
  must(EVP_DigestUpdate(context_of(context_.get()), bytes.data(), bytes.size()));
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> sum{};
  must(EVP_DigestFinal_ex(context_of(context_.get()), sum.data(), nullptr));
  std::string text;
  for (const unsigned char byte : sum) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string sha256_of_file(const std::filesystem::path& file) {
  const FileDescriptor fd = open_file(file, O_RDONLY);
  std::vector<std::byte> block(std::size_t{1} << 20);
  Sha256 sum;
  std::uint64_t at = 0;
  while (const std::size_t got = read_at(fd, block, at, file.string())) {
    sum.update(std::span(block).first(got));
    at += got;
  }
  return sum.hex();
}

}  // namespace nestor::storage
