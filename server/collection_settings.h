#pragma once
// What the dialect can set about a collection besides its vectors. Kept with the collection as it came and shown again;
// what a running collection cannot do is refused, what has no meaning here is told in the collection's `warnings`.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "index/collection.h"
#include "server/json_view.h"

namespace nestor::server {

// Of a creation's body, all but the parameters of `vectors`. Throws HttpError: 400 for what is unknown or not spoken,
// 422 for values out of range.
void check_creation_settings(const JsonValue& body);
// The parts that stand in `vectors` too. `where`: "vectors." or "".
void check_hnsw_config(const JsonValue& object, const std::string& where);
void check_quantization_config(const JsonValue& object, const std::string& where);

// The settings a creation holds (its body, kept with the collection) after a change: `metadata` is merged, a null
// removes a key; `optimizers_config.indexing_threshold` is set. All else may only repeat what `shown`, the collection's
// config, says already. Throws HttpError 400 with the name of what cannot change.
nlohmann::json changed_settings(nlohmann::json creation, const nlohmann::json& change, const nlohmann::json& shown);

// Lays those of `given` that are not null over `shown`.
void show_given(nlohmann::json& shown, const nlohmann::json& given);

// One sentence for each setting that a creation holds and that has no meaning here.
std::vector<std::string> settings_without_effect(const nlohmann::json& creation);

// Whether graphs may be built in the background: `optimizers_config.indexing_threshold` is the KiB of float32 vectors
// up to which they are not, 0 for never.
bool may_build(const nlohmann::json& creation, const index::Collection& collection);
// The same from a collection's attributes.
bool may_build(const std::string& attributes, const index::Collection& collection);

}  // namespace nestor::server
