// RocksDB opens with a MANIFEST that lacks its end, and then rows are missing. The seal tells.
#include "storage/manifest_seal.h"

#include <fstream>

#include "tests/storage/database_fixtures.h"
#include "tests/storage/expect_error.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

namespace fs = std::filesystem;

// Files as RocksDB and Nestor lay them.
class FakeRocks {
 public:
  FakeRocks() { write("CURRENT", "MANIFEST-000005\n"), write("MANIFEST-000005", "first, second"); }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_ / name, std::ios::binary | std::ios::trunc) << content;
  }
  fs::path path() const { return directory_.path(); }
  std::string seal() const { return read_file(path() / kManifestSealFile); }

 private:
  TemporaryDirectory directory_;
};

std::string refusal(const FakeRocks& rocks) {
  return error_of(ErrorCode::data_loss, [&] { verify_manifest_seal(rocks.path()); });
}

}  // namespace

TEST_CASE("a directory without a seal passes, as one whose manifest has grown or was begun anew") {
  const FakeRocks rocks;
  verify_manifest_seal(rocks.path());
  seal_manifest(rocks.path());
  verify_manifest_seal(rocks.path());
  rocks.write("MANIFEST-000005", "first, second, third");
  verify_manifest_seal(rocks.path());
  rocks.write("CURRENT", "MANIFEST-000012\n");
  rocks.write("MANIFEST-000012", "anew");
  verify_manifest_seal(rocks.path());
  CHECK(rocks.seal().find("MANIFEST-000005\n13\n") != std::string::npos);
}

TEST_CASE("a manifest that is shorter, other or older than its seal is refused, as is a damaged seal") {
  const FakeRocks rocks;
  seal_manifest(rocks.path());
  const std::string seal = rocks.seal();
  rocks.write("MANIFEST-000005", "first, ");
  CHECK(mentions(refusal(rocks), "holds 7 bytes, and held 13"));
  rocks.write("MANIFEST-000005", "first, sECond");
  CHECK(mentions(refusal(rocks), "fails its checksum"));
  rocks.write("MANIFEST-000005", "first, second");
  verify_manifest_seal(rocks.path());
  rocks.write("CURRENT", "MANIFEST-000004\n");
  CHECK(mentions(refusal(rocks), "which is older than MANIFEST-000005"));
  rocks.write("CURRENT", "nonsense\n");
  CHECK(mentions(refusal(rocks), "which is no manifest"));
  rocks.write("CURRENT", "MANIFEST-000005\n");
  for (std::size_t at = 0; at < seal.size(); ++at) {
    std::string damaged = seal;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    rocks.write(kManifestSealFile, damaged);
    CHECK(mentions(refusal(rocks), kManifestSealFile));
    rocks.write(kManifestSealFile, seal.substr(0, at));
    CHECK(mentions(refusal(rocks), kManifestSealFile));
  }
}
