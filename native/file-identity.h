// Distinguishes a file from the one that was at its path before.
#pragma once

#include <string>

namespace gpt4all {

// Equal for two names of one file, different once the file was replaced or written to; empty where there is
// no file.
std::string FileIdentity(const std::string& path);

// The same for all parts, where `path` is the first of a split model.
std::string ModelIdentity(const std::string& path);

}  // namespace gpt4all
