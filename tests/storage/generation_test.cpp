#include "storage/generation.h"

#include "tests/storage/generation_fixtures.h"

using namespace nestor::index;
using namespace nestor::storage;
using namespace nestor::tests;

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

TEST_CASE("a generation directory that was moved away keeps to its own files") {
  const TemporaryDirectory directory;
  GenerationDirectory held(directory / "g");
  std::filesystem::rename(directory / "g", directory / "trash");
  GenerationDirectory successor(directory / "g");
  held.publish(3, Content(1).sections);
  CHECK_FALSE(load(directory / "g").generation.has_value());
  CHECK(load(directory / "trash").generation->sequence == 3);
}
