#include "bench/ann/machine.h"

#include <malloc.h>
#include <sched.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace nestor::bench::ann {
namespace {

// The value of the first line "name : value".
std::string first_value(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::uint64_t kilobytes(const std::string& name) {
  const std::string value = first_value("/proc/self/status", name);
  return value.empty() ? 0 : std::stoull(value) * 1024;
}

}  // namespace

std::string cpu_model() {
  const std::string model = first_value("/proc/cpuinfo", "model name");
  return model.empty() ? "unknown processor" : model;
}

std::string cpu_features() {
  std::istringstream flags(first_value("/proc/cpuinfo", "flags"));
  std::string known;
  for (std::string flag; flags >> flag;)
    for (const char* wanted : {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_fp16", "avx_vnni"})
      if (flag == wanted) known += (known.empty() ? "" : " ") + flag;
  return known;
}

unsigned cpu_count() {
  const unsigned count = std::thread::hardware_concurrency();
  return count == 0 ? 1 : count;
}

ResidentMemory resident_memory() {
  malloc_trim(0);
  return {kilobytes("RssAnon"), kilobytes("RssFile")};
}

PinnedThread::PinnedThread(int core) {
  if (core < 0) return;
  cpu_set_t before, wanted;
  if (sched_getaffinity(0, sizeof before, &before) != 0) throw std::runtime_error("cannot read this thread's cores");
  CPU_ZERO(&wanted);
  CPU_SET(core, &wanted);
  if (sched_setaffinity(0, sizeof wanted, &wanted) != 0)
    throw std::runtime_error("cannot run on core " + std::to_string(core) + " of " + std::to_string(cpu_count()));
  before_.resize(sizeof before);
  std::memcpy(before_.data(), &before, sizeof before);
}

PinnedThread::~PinnedThread() {
  if (before_.empty()) return;
  cpu_set_t mask;
  std::memcpy(&mask, before_.data(), sizeof mask);
  sched_setaffinity(0, sizeof mask, &mask);
}

}  // namespace nestor::bench::ann
