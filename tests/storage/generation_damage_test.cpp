// Broken on purpose: flipped, cut and missing bytes, a full disk, a killed publisher.
#include "tests/storage/child_process.h"
#include "tests/storage/generation_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

namespace {

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
