#include "bench/ann/engine_modules.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <stdexcept>

namespace nestor::bench::ann {
namespace {

struct Module {
  std::vector<std::string> names;
  MakeEngineFunction make = nullptr;
};

// RTLD_LOCAL keeps each module's copy of its library to itself: hnswlib is inside Nestor, too.
std::vector<Module> open_modules() {
  std::vector<Module> modules;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().filename().string().starts_with("nestor_peer_") && entry.path().extension() == ".so")
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      std::cerr << "peer left out: " << dlerror() << '\n';
      continue;
    }
    const auto list = reinterpret_cast<ListEnginesFunction>(dlsym(handle, kListEnginesSymbol));
    const auto make = reinterpret_cast<MakeEngineFunction>(dlsym(handle, kMakeEngineSymbol));
    if (list == nullptr || make == nullptr) {
      std::cerr << "peer left out: " << file.filename().string() << " is not a peer module\n";
      continue;
    }
    Module module{{}, make};
    for (const char* const* name = list(); *name != nullptr; ++name) module.names.emplace_back(*name);
    modules.push_back(std::move(module));
  }
  return modules;
}

const std::vector<Module>& modules() {
  static const std::vector<Module> all = open_modules();
  return all;
}

}  // namespace

std::vector<std::string> peer_names() {
  std::vector<std::string> names;
  for (const Module& module : modules()) names.insert(names.end(), module.names.begin(), module.names.end());
  return names;
}

std::unique_ptr<Engine> make_peer(const std::string& name) {
  for (const Module& module : modules())
    if (std::find(module.names.begin(), module.names.end(), name) != module.names.end())
      return std::unique_ptr<Engine>(module.make(name.c_str()));
  std::string known = "nestor";
  for (const std::string& peer : peer_names()) known += ", " + peer;
  throw std::runtime_error("no engine named '" + name + "'; there are " + known);
}

}  // namespace nestor::bench::ann
