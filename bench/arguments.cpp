#include "bench/arguments.h"

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <string_view>

namespace nestor::bench {
namespace {

constexpr std::string_view kFlags =
    "  --shared DIR   directory that holds data/knnlm-dickens and data/mnist-784 (default: ../shared beside the\n"
    "                 checkout; without it the sample in examples/data is used)\n"
    "  --data DIR     build the collections here and keep them for the next run (default: a temporary directory)\n"
    "  --only NAME    one data set: dickens, mnist or sample (certified: or synthetic)\n"
    "  --queries N    at most N queries\n"
    "  --threads N    threads for building and for batches (default: all cores)\n"
    "  --csv FILE     write the table as CSV too\n";

[[noreturn]] void fail(const std::string& message) {
  std::cerr << message << "; --help names the flags\n";
  std::exit(2);
}

std::size_t parse_number(const std::string& flag, std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0)
    fail(flag + " needs a number above 0, got '" + std::string(text) + "'");
  return number;
}

}  // namespace

Arguments parse_arguments(int argc, char** argv, const std::string& purpose) {
  Arguments arguments;
  const std::filesystem::path source(NESTOR_SOURCE_DIR);
  arguments.shared = (source / ".." / "shared").lexically_normal();
  arguments.examples = source / "examples" / "data";
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help" || flag == "-h") {
      std::cout << purpose << "\n\n" << kFlags;
      std::exit(0);
    }
    if (i + 1 == argc) fail("'" + flag + "' is unknown or lacks its value");
    const std::string value = argv[++i];
    if (flag == "--shared")
      arguments.shared = value;
    else if (flag == "--data")
      arguments.data = value;
    else if (flag == "--csv")
      arguments.csv = value;
    else if (flag == "--only")
      arguments.only = value;
    else if (flag == "--queries")
      arguments.queries = parse_number(flag, value);
    else if (flag == "--threads")
      arguments.threads = static_cast<unsigned>(parse_number(flag, value));
    else
      fail("'" + flag + "' is unknown");
  }
  return arguments;
}

}  // namespace nestor::bench
