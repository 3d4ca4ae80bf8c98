#include "storage/generation.h"

#include <algorithm>
#include <fstream>
#include <random>

#include "storage/checksum.h"
#include "storage/file_io.h"
#include "storage/generation_format.h"
#include "tests/storage/child_process.h"
#include "tests/storage/expect_error.h"
#include "tests/storage/temporary_directory.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

// Sections of sizes around the alignment and above one checksum piece.
struct Content {
  std::vector<std::vector<std::byte>> blocks;
  std::vector<Section> sections;

  explicit Content(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const std::vector<std::pair<std::string, std::size_t>> shapes{
        {"codes", 100000}, {"graph/64", 4096}, {"empty", 0}, {"one", 1}, {"rows", kChecksumPiece + 12345}};
    for (const auto& [name, size] : shapes) {
      std::vector<std::byte> block(size);
      for (std::byte& b : block) b = static_cast<std::byte>(random());
      blocks.push_back(std::move(block));
      sections.push_back({name, {}});
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) sections[i].bytes = blocks[i];
  }
};

bool same(const std::vector<Section>& a, const std::vector<Section>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Section& x, const Section& y) {
    return x.name == y.name && std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end());
  });
}

struct Loaded {
  std::optional<LoadedSections> generation;
  std::vector<std::string> damage;

  bool says(const std::string& part) const {
    return std::any_of(damage.begin(), damage.end(), [&](const std::string& line) { return mentions(line, part); });
  }
};

Loaded load(const std::filesystem::path& where) {
  Loaded loaded;
  GenerationDirectory directory(where);
  loaded.generation = directory.load_newest([&](const std::string& line) { loaded.damage.push_back(line); });
  return loaded;
}

std::vector<std::filesystem::path> generation_files(const std::filesystem::path& where) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(where))
    if (entry.path().extension() == ".nestor") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::size_t files_in(const std::filesystem::path& where) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(where), {}));
}

void flip(const std::filesystem::path& file, std::size_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const char old = static_cast<char>(stream.get());
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(static_cast<char>(old ^ 0x10));
}

// May write files of at most 1 MB.
const ChildProgram kPublishOnFullDisk("publish on a full disk", [](const ChildContext& context) {
  limit_file_size(1 << 20);
  GenerationDirectory generations(context.directory);
  try {
    generations.publish(6, Content(2).sections);
  } catch (const Error& error) {
    return error.code() == ErrorCode::resource_exhausted ? 0 : 1;
  }
  return 2;
});

const ChildProgram kPublishForever("publish forever", [](const ChildContext& context) -> int {
  const Content content(1);
  GenerationDirectory generations(context.directory);
  for (Sequence sequence = context.number;; ++sequence) {
    generations.publish(sequence, content.sections);
    context.send(sequence);
  }
});

}  // namespace

TEST_CASE("a directory without generations loads nothing and complains of nothing") {
  const TemporaryDirectory directory;
  const Loaded loaded = load(directory / "g");
  CHECK_FALSE(loaded.generation.has_value());
  CHECK(loaded.damage.empty());
}

TEST_CASE("a published generation comes back with its sections aligned") {
  const TemporaryDirectory directory;
  const Content content(1);
  GenerationDirectory(directory / "g").publish(42, content.sections);
  const Loaded loaded = load(directory / "g");
  CHECK(loaded.damage.empty());
  REQUIRE(loaded.generation.has_value());
  CHECK(loaded.generation->sequence == 42);
  CHECK(same(loaded.generation->sections, content.sections));
  for (const Section& section : loaded.generation->sections)
    CHECK(reinterpret_cast<std::uintptr_t>(section.bytes.data()) % kSectionAlign == 0);
  CHECK(generation_files(directory / "g").front().filename() == "generation-00000000000000000042-0.nestor");
}

TEST_CASE("a generation without sections is a generation") {
  const TemporaryDirectory directory;
  GenerationDirectory(directory / "g").publish(7, {});
  const Loaded loaded = load(directory / "g");
  REQUIRE(loaded.generation.has_value());
  CHECK(loaded.generation->sections.empty());
}

TEST_CASE("publishing replaces the generation before, whose mapping stays valid") {
  const TemporaryDirectory directory;
  const Content first(1), second(2), third(3);
  GenerationDirectory(directory / "g").publish(5, first.sections);
  const Loaded old = load(directory / "g");
  GenerationDirectory(directory / "g").publish(5, second.sections);
  CHECK(generation_files(directory / "g").size() == 1);
  REQUIRE(load(directory / "g").generation.has_value());
  CHECK(same(load(directory / "g").generation->sections, second.sections));
  GenerationDirectory(directory / "g").publish(6, third.sections);
  CHECK(load(directory / "g").generation->sequence == 6);
  CHECK(files_in(directory / "g") == 2);  // the file and MANIFEST
  CHECK(same(old.generation->sections, first.sections));
}

TEST_CASE("section names that do not fit are refused and nothing is published") {
  const TemporaryDirectory directory;
  GenerationDirectory generations(directory / "g");
  const auto refuse = [&](const std::vector<Section>& sections) {
    error_of(ErrorCode::invalid_argument, [&] { generations.publish(1, sections); });
    CHECK(files_in(directory / "g") == 0);
  };
  refuse({{"", {}}});
  refuse({{std::string(56, 'x'), {}}});
  refuse({{"twice", {}}, {"twice", {}}});
  generations.publish(1, {{std::string(55, 'x'), {}}});
  CHECK(load(directory / "g").generation->sections.front().name == std::string(55, 'x'));
}

TEST_CASE("a flip of any header byte is found and named") {
  const TemporaryDirectory directory;
  GenerationDirectory(directory / "g").publish(42, Content(1).sections);
  const auto file = generation_files(directory / "g").front();
  std::string whole = read_file(file);
  const auto bytes = std::as_bytes(std::span(whole));
  const std::size_t header_bytes = decode_generation_header(bytes).header_bytes;
  for (std::size_t at = 0; at < header_bytes; ++at) {
    INFO("byte " << at);
    whole[at] = static_cast<char>(whole[at] ^ 0x10);
    CHECK_THROWS_AS(decode_generation_header(bytes), Error);
    whole[at] = static_cast<char>(whole[at] ^ 0x10);
  }
  REQUIRE_NOTHROW(decode_generation_header(bytes));
  flip(file, 16);
  const Loaded loaded = load(directory / "g");
  CHECK_FALSE(loaded.generation.has_value());
  CHECK(loaded.says("generation-00000000000000000042-0.nestor"));
  CHECK(loaded.says("header fails its checksum"));
}

TEST_CASE("a flip of any section byte is found; between sections it is harmless") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  std::mt19937_64 random(test_seed());
  const TemporaryDirectory directory;
  const Content content(1);
  GenerationDirectory(directory / "g").publish(42, content.sections);
  const auto file = generation_files(directory / "g").front();
  std::string whole = read_file(file);
  const GenerationHeader header = decode_generation_header(std::as_bytes(std::span(whole)));
  std::vector<std::size_t> places;
  for (const SectionEntry& section : header.sections)
    if (section.length > 0)
      for (const std::size_t at : {std::size_t{0}, section.length - 1, random() % section.length})
        places.push_back(section.offset + at);
  for (const std::size_t at : places) {
    INFO("byte " << at);
    whole[at] = static_cast<char>(whole[at] ^ 0x10);
    CHECK_THROWS_AS(verify_sections(std::as_bytes(std::span(whole)), header), Error);
    whole[at] = static_cast<char>(whole[at] ^ 0x10);
  }
  flip(file, places.back());
  CHECK_FALSE(load(directory / "g").generation.has_value());
  CHECK(load(directory / "g").says("section \"rows\" fails its checksum"));
  flip(file, places.back());
  flip(file, header.sections[0].offset + header.sections[0].length);
  CHECK(same(load(directory / "g").generation->sections, content.sections));
}

TEST_CASE("a truncated or extended generation is refused") {
  const TemporaryDirectory directory;
  GenerationDirectory(directory / "g").publish(42, Content(1).sections);
  const auto file = generation_files(directory / "g").front();
  const std::string whole = read_file(file);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{15}, std::size_t{40}, std::size_t{4095},
                                 std::size_t{4096}, std::size_t{5000}, whole.size() - 4096, whole.size() - 1}) {
    INFO("size " << size);
    write_file(file, whole.substr(0, size));
    CHECK_FALSE(load(directory / "g").generation.has_value());
    CHECK(load(directory / "g").damage.size() == 1);
  }
  write_file(file, whole + "x");
  CHECK_FALSE(load(directory / "g").generation.has_value());
  write_file(file, whole);
  CHECK(load(directory / "g").generation.has_value());
}

TEST_CASE("random bytes instead of a generation are refused") {
  INFO("NESTOR_TEST_SEED=" << test_seed());
  std::mt19937_64 random(test_seed());
  const TemporaryDirectory directory;
  GenerationDirectory(directory / "g").publish(42, Content(1).sections);
  const auto file = generation_files(directory / "g").front();
  const std::string whole = read_file(file);
  for (int i = 0; i < 20; ++i) {
    std::string noise = whole.substr(0, 8192 + random() % 8192);
    for (std::size_t at = i % 2 ? 16 : 0; at < noise.size(); ++at) noise[at] = static_cast<char>(random());
    write_file(file, noise);
    CHECK_FALSE(load(directory / "g").generation.has_value());
  }
}

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

TEST_CASE("when the generation in force is damaged, the newest whole one serves") {
  const TemporaryDirectory directory;
  const Content first(1), second(2);
  GenerationDirectory(directory / "g").publish(5, first.sections);
  const auto kept = directory / "kept";
  std::filesystem::copy(generation_files(directory / "g").front(), kept);
  GenerationDirectory(directory / "g").publish(6, second.sections);
  std::filesystem::rename(kept, directory / "g/generation-00000000000000000005-0.nestor");
  CHECK(load(directory / "g").generation->sequence == 6);

  const auto in_force = directory / "g/generation-00000000000000000006-0.nestor";
  SECTION("flipped") { flip(in_force, 5000); }
  SECTION("missing") { std::filesystem::remove(in_force); }
  const Loaded loaded = load(directory / "g");
  REQUIRE(loaded.generation.has_value());
  CHECK(loaded.generation->sequence == 5);
  CHECK(same(loaded.generation->sections, first.sections));
  CHECK(loaded.damage.size() == 1);
  CHECK(loaded.says("generation-00000000000000000006-0.nestor"));
}

TEST_CASE("a missing or damaged manifest is reported and the newest generation serves") {
  const TemporaryDirectory directory;
  const Content content(1);
  GenerationDirectory(directory / "g").publish(5, content.sections);
  const auto manifest = directory / "g/MANIFEST";
  const std::string text = read_file(manifest);
  const auto still_serves = [&] {
    const Loaded loaded = load(directory / "g");
    CHECK(loaded.generation.has_value());
    CHECK(loaded.damage.size() == 1);
    CHECK(loaded.says("MANIFEST"));
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    INFO("byte " << at);
    write_file(manifest, text);
    flip(manifest, at);
    still_serves();
    write_file(manifest, text.substr(0, at));
    still_serves();
  }
  write_file(manifest, std::string(100000, 'x'));
  still_serves();
  std::filesystem::remove(manifest);
  still_serves();
  std::filesystem::create_directory(manifest);
  still_serves();
}

TEST_CASE("a generation under another sequence's name is refused") {
  const TemporaryDirectory directory;
  GenerationDirectory(directory / "g").publish(5, Content(1).sections);
  std::filesystem::rename(generation_files(directory / "g").front(),
                          directory / "g/generation-00000000000000000009-0.nestor");
  const Loaded loaded = load(directory / "g");
  CHECK_FALSE(loaded.generation.has_value());
  CHECK(loaded.says("unlike its name"));
}

TEST_CASE("leftovers of an interrupted publish do no harm and are removed by the next") {
  const TemporaryDirectory directory;
  const Content content(1);
  GenerationDirectory(directory / "g").publish(5, content.sections);
  write_file(directory / "g/generation-00000000000000000006-0.nestor.tmp", "half");
  write_file(directory / "g/MANIFEST.tmp", "half");
  write_file(directory / "g/generation-00000000000000000007-0.nestor", "half");
  write_file(directory / "g/notes.txt", "a user's");
  CHECK(load(directory / "g").generation->sequence == 5);
  CHECK(load(directory / "g").damage.empty());
  GenerationDirectory(directory / "g").publish(8, content.sections);
  CHECK(files_in(directory / "g") == 3);
  CHECK(std::filesystem::exists(directory / "g/notes.txt"));
}

TEST_CASE("a generation directory that was moved away keeps to its own files") {
  const TemporaryDirectory directory;
  GenerationDirectory held(directory / "g");
  std::filesystem::rename(directory / "g", directory / "trash");
  GenerationDirectory successor(directory / "g");
  held.publish(3, Content(1).sections);
  CHECK_FALSE(load(directory / "g").generation.has_value());
  CHECK(load(directory / "trash").generation->sequence == 3);
}

TEST_CASE("a publish that fails leaves the generation before in force and no file behind") {
  const TemporaryDirectory directory;
  const Content content(1);
  GenerationDirectory(directory / "g").publish(5, content.sections);
  ChildProcess child(kPublishOnFullDisk, directory / "g");
  CHECK(child.wait() == 0);
  CHECK(files_in(directory / "g") == 2);
  const Loaded loaded = load(directory / "g");
  CHECK(loaded.damage.empty());
  CHECK(loaded.generation->sequence == 5);
}

TEST_CASE("killed at any moment of publishing, a whole generation is in force") {
  const TemporaryDirectory directory;
  const Content content(1);
  GenerationDirectory(directory / "g").publish(1, content.sections);
  Sequence newest = 1;
  for (int round = 0; round < 8; ++round) {
    ChildProcess child(kPublishForever, directory / "g", newest + 1);
    for (int published = 0; published <= round % 3; ++published) newest = child.receive().value_or(newest);
    child.kill_now();
    while (const auto more = child.receive()) newest = *more;
    const Loaded loaded = load(directory / "g");
    REQUIRE(loaded.generation.has_value());
    CHECK(loaded.damage.empty());
    CHECK(loaded.generation->sequence >= newest);
    CHECK(loaded.generation->sequence <= newest + 1);
    CHECK(same(loaded.generation->sections, content.sections));
    newest = loaded.generation->sequence;
  }
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
  CHECK(checksum(std::as_bytes(std::span(header))) == 0x3ull);
  TemporaryDirectory directory;
  GenerationDirectory(directory / "g").publish(77, {{"a", first}, {"b/64", second}});
  CHECK(read_file(generation_files(directory / "g").front()).substr(0, 4096) == header);
  CHECK(read_file(directory / "g/MANIFEST") == "?");
}

// Fixed by the format: another library version or processor must not change it.
TEST_CASE("the checksum of known bytes is what it always was") {
  CHECK(checksum({}) == 0x2D06800538D394C2ull);
  std::vector<std::byte> bytes(10000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7);
  const std::span<const std::byte> whole(bytes);
  CHECK(checksum(whole) == 0x1ull);
  CHECK(tree_checksum(whole) == 0x2ull);
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
