// JSON as Python's json.dumps() writes it.
#pragma once

#include <string>

#include "value.h"

namespace jinja {

struct JsonFormat {
  bool multiline = false;  // each item has a line of its own
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ensure_ascii = false;
  bool sort_keys = false;
};

std::string ToJson(const ValuePtr& value, const JsonFormat& format);

}  // namespace jinja
