#pragma once
// The same query and the same points in every form that the server reads.

#include <span>
#include <string>
#include <vector>

namespace nestor::bench {

enum class VectorForm {
  json_double,    // as JavaScript and Python print a float32: widened to a double, 17 digits
  json_shortest,  // the shortest text that reads back as the same float32
  base64,
  cbor_list,
  cbor_bytes,
  msgpack_bytes,
};

inline constexpr VectorForm kVectorForms[] = {VectorForm::json_double, VectorForm::json_shortest,
                                              VectorForm::base64,      VectorForm::cbor_list,
                                              VectorForm::cbor_bytes,  VectorForm::msgpack_bytes};

std::string name_of(VectorForm form);
// Whole HTTP requests.
std::string query_request(VectorForm form, std::span<const float> vector, unsigned k);
// rows [count x dim]; ids from `first` on. JSON forms only.
std::string upsert_request(VectorForm form, std::span<const float> rows, std::size_t dim, std::uint64_t first);

}  // namespace nestor::bench
