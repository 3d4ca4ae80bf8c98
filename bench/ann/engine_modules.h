#pragma once
// Opens the modules that hold peers. They stay open until the process ends.

#include <memory>
#include <string>
#include <vector>

#include "bench/ann/engine.h"

namespace nestor::bench::ann {

// Names of every engine that the modules beside this program offer.
std::vector<std::string> peer_names();

// Throws std::runtime_error naming the engines there are.
std::unique_ptr<Engine> make_peer(const std::string& name);

}  // namespace nestor::bench::ann
