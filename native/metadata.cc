#include "metadata.h"

#include <cstdlib>
#include <string>

namespace gpt4all {

double MetaNumber(const llama_model* model, const char* name, double otherwise) {
  char architecture[64], value[64];
  if (llama_model_meta_val_str(model, "general.architecture", architecture, sizeof architecture) < 0)
    return otherwise;
  const std::string key = std::string(architecture) + "." + name;
  if (llama_model_meta_val_str(model, key.c_str(), value, sizeof value) < 0) return otherwise;
  const double number = std::strtod(value, nullptr);
  return number > 0 ? number : otherwise;
}

}  // namespace gpt4all
