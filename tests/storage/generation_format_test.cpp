#include "storage/generation_format.h"

#include "tests/storage/generation_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

TEST_CASE("a header that a faulty writer signed cannot lead outside the file") {
  const Content content(1);
  const GenerationHeader good = plan_generation(1, content.sections);
  const auto refused = [&](auto change) {
    GenerationHeader bad = good;
    change(bad);
    std::string file = encode_generation_header(bad);
    file.resize(good.file_bytes);
    CHECK_THROWS_AS(decode_generation_header(std::as_bytes(std::span(file))), Error);
  };
  refused([](GenerationHeader& h) { h.file_bytes += 4096; });
  refused([](GenerationHeader& h) { h.sections[0].offset = 0; });
  refused([](GenerationHeader& h) { h.sections[0].offset = ~0ull - 4095; });
  refused([](GenerationHeader& h) { h.sections[4].length = ~0ull; });
  refused([](GenerationHeader& h) { h.sections[4].length += 8192; });
  refused([](GenerationHeader& h) { std::swap(h.sections[0], h.sections[1]); });
  refused([](GenerationHeader& h) { h.sections.pop_back(); });
}

TEST_CASE("generation names are read only as they are written") {
  CHECK(parse_generation_name("generation-00000000000000000042-7.nestor") == GenerationName{42, 7});
  CHECK(parse_generation_name(to_string(GenerationName{~0ull, 0})) == GenerationName{~0ull, 0});
  for (const char* wrong :
       {"generation-42-7.nestor", "generation-00000000000000000042.nestor", "generation-00000000000000000042-07.nestor",
        "generation-.nestor", "generation-00000000000000000042-7.nestor.tmp",
        "generation-99999999999999999999-0.nestor", "generation--1-0.nestor", "MANIFEST", ""})
    CHECK_FALSE(parse_generation_name(wrong).has_value());
}

// These bytes are on users' disks: a change here needs a new format version and code that reads this one.
TEST_CASE("generation format version 1 is written as it always was") {
  const std::vector<std::byte> first(5000, std::byte{1}), second(3, std::byte{2});
  const std::string header =
      encode_generation_header(plan_generation(77, std::vector<Section>{{"a", first}, {"b/64", second}}));
  CHECK(header.size() == 4096);
  CHECK(header.substr(0, 8) == "NESTGEN\n");
  CHECK(checksum(std::as_bytes(std::span(header))) == 0xECB773922F3C3D04ull);
  const TemporaryDirectory directory;
  GenerationDirectory(directory / "g").publish(77, {{"a", first}, {"b/64", second}});
  CHECK(read_file(generation_files(directory / "g").front()).substr(0, 4096) == header);
  CHECK(read_file(directory / "g/MANIFEST") ==
        "nestor-manifest 1\ngeneration-00000000000000000077-0.nestor\n4ff1c4bdd4bffa78\n");
}

// Fixed by the format: another library version or processor must not change it.
TEST_CASE("the checksum of known bytes is what it always was") {
  CHECK(checksum({}) == 0x2D06800538D394C2ull);
  std::vector<std::byte> bytes(10000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  const std::span<const std::byte> whole(bytes);
  CHECK(checksum(whole) == 0x09EA754D7983B623ull);
  CHECK(tree_checksum(whole) == 0xAB6CE52CED8979B5ull);
  CHECK(tree_checksum({}) == checksum({}));
}

TEST_CASE("the tree checksum does not depend on the number of threads") {
  const Content content(9);
  std::vector<std::span<const std::byte>> blocks;
  for (const Section& section : content.sections) blocks.push_back(section.bytes);
  const auto one = tree_checksums(blocks, 1);
  CHECK(tree_checksums(blocks, 4) == one);
  for (std::size_t i = 0; i < blocks.size(); ++i) CHECK(tree_checksum(blocks[i]) == one[i]);
}
