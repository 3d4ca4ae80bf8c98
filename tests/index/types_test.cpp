#include "index/error.h"
#include "index/options.h"
#include "tests/support/catch.h"

using namespace nestor::index;

TEST_CASE("UUIDs are read in every usual form and written in one") {
  const std::string canonical = "550e8400-e29b-41d4-a716-446655440000";
  CHECK(to_string(PointId::uuid(canonical)) == canonical);
  CHECK(to_string(PointId::uuid("550E8400E29B41D4A716446655440000")) == canonical);
  CHECK(to_string(PointId::uuid("urn:uuid:" + canonical)) == canonical);
  for (const char* bad : {"", "550e8400", "550e8400-e29b-41d4-a716-44665544000g", "550e8400-e29b-41d4a-716-446655440000"})
    CHECK_THROWS_AS(PointId::uuid(bad), Error);
}

TEST_CASE("integers come before UUIDs, each ascending") {
  CHECK(PointId::number(2) < PointId::number(10));
  CHECK(PointId::number(~0ull) < PointId::uuid("00000000-0000-0000-0000-000000000000"));
  CHECK(to_string(PointId::number(18446744073709551615ull)) == "18446744073709551615");
}

TEST_CASE("options are completed and refused with the value and the limit") {
  CollectionOptions o;
  o.dim = 256;
  CHECK(o.validated().widths == std::vector<std::uint32_t>{32, 64, 128, 256});
  CHECK(o.validated().graphs == std::vector<std::uint32_t>{256});
  o.dim = 768;
  CHECK(o.validated().graphs == std::vector<std::uint32_t>{256});
  o.widths = {64, 128};
  CHECK(o.validated().widths.back() == 768);  // the full width is always there
  const auto message = [](const CollectionOptions& bad) {
    try {
      bad.validated();
      return std::string("accepted");
    } catch (const Error& e) {
      return std::string(e.what());
    }
  };
  CollectionOptions bad = o;
  bad.dim = 0;
  CHECK(message(bad) == "dimension 0 is out of range 1..65536");
  bad = o;
  bad.widths = {128, 64};
  CHECK(message(bad).find("found 64 after 128") != std::string::npos);
  bad = o;
  bad.widths = {64, 1000};
  CHECK(message(bad).find("1000") != std::string::npos);
  bad = CollectionOptions{};
  bad.dim = 10000;
  bad.rotation = Rotation::pca;
  CHECK(message(bad) == "rotation pca takes at most 8192 coordinates, the dimension is 10000");
  bad = o;
  bad.graphs = {100};
  CHECK(message(bad).find("100 is not one of") != std::string::npos);
}
