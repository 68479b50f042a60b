// Hashes that a template cannot predict: the key is random in each process, so a template cannot choose many
// values with the same hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace jinja {

size_t HashInteger(int64_t number);
size_t HashText(std::string_view text);

struct TextHash {
  size_t operator()(const std::string& text) const { return HashText(text); }
};

}  // namespace jinja
