#pragma once
// Other names of collections, kept in one small file that is replaced as a whole.
//
// The file, version 1, is text: "nestor aliases 1 <16 hex digits>\n", then for each alias, ascending,
// "<alias>\t<collection>\n". The digits are the XXH3 of everything after the first line. Names hold no control
// characters, so that tabs and line ends separate them.

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace nestor::storage {

using Aliases = std::map<std::string, std::string>;  // alias -> collection

// One step of a change of aliases.
struct AliasChange {
  enum class Kind {
    create,  // `alias` means the collection `target` from now on, whatever it meant before
    remove,  // `alias` is forgotten; it need not exist
    rename   // `alias` is called `target` from now on
  };
  Kind kind = Kind::create;
  std::string alias;
  std::string target;
};

std::string encode_aliases(const Aliases& aliases);
// Throws Error data_loss; failed_precondition for a newer version.
Aliases decode_aliases(std::string_view bytes);

// Empty when there is no file. Throws Error.
Aliases load_aliases(const std::filesystem::path& directory);
// Durable on return, the old or the new ones after a crash. Throws Error.
void save_aliases(const std::filesystem::path& directory, const Aliases& aliases);

}  // namespace nestor::storage
