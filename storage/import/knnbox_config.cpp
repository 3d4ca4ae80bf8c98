#include "storage/import/knnbox_config.h"

#include <nlohmann/json.hpp>

#include "index/error.h"
#include "storage/import/input_file.h"

namespace nestor::storage {

using index::Error;
using index::ErrorCode;

namespace {

constexpr std::uint64_t kMaxBytes = 1u << 20;

KnnBoxArray read_array(const std::string& name, const nlohmann::json& info) {
  KnnBoxArray array;
  array.name = name;
  for (const auto& n : info.at("shape")) array.shape.push_back(n.get<std::uint64_t>());
  array.kind = parse_scalar_kind(info.at("dtype").get<std::string>());
  return array;
}

}  // namespace

ScalarKind parse_scalar_kind(const std::string& text) {
  std::string name = text;
  for (const char* prefix : {"torch.", "numpy.", "np."})
    if (name.starts_with(prefix)) name = name.substr(std::string(prefix).size());
  if (name == "half") name = "float16";
  if (name == "float") name = "float32";
  if (name == "int") name = "int64";  // NumPy's int on the machines these files come from
  for (const ScalarKind kind : {ScalarKind::float16, ScalarKind::bfloat16, ScalarKind::float32, ScalarKind::float64,
                                ScalarKind::int8, ScalarKind::int16, ScalarKind::int32, ScalarKind::int64,
                                ScalarKind::uint8, ScalarKind::uint16, ScalarKind::uint32, ScalarKind::uint64})
    if (name == to_string(kind)) return kind;
  throw Error(ErrorCode::invalid_argument, "unknown type of numbers \"" + text +
                                               "\", expected one such as float16, bfloat16, float32, int32, int64");
}

std::vector<KnnBoxArray> read_knnbox_config(const std::string& path) {
  const InputFile file(path);
  if (file.size() > kMaxBytes)
    throw Error(ErrorCode::invalid_argument, path + ": " + std::to_string(file.size()) + " bytes are no config.json");
  std::string text(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  try {
    const nlohmann::json config = nlohmann::json::parse(text);
    std::vector<KnnBoxArray> arrays;
    for (const auto& [name, info] : config.at("data_infos").items()) arrays.push_back(read_array(name, info));
    return arrays;
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::invalid_argument, path + ": no knn-box configuration: " + e.what());
  } catch (const Error& e) {
    throw Error(e.code(), path + ": " + e.what());
  }
}

}  // namespace nestor::storage
