// JSON as Python's json.dumps() writes it.
#pragma once

#include <string>

#include "value.h"

namespace jinja {

struct JsonFormat {
  bool multiline = false;  // each item has a line of its own
  MixedText indent;
  MixedText item_separator{", "};
  MixedText key_separator{": "};
  bool ensure_ascii = false;
  bool sort_keys = false;
};

MixedText ToJson(const ValuePtr& value, const JsonFormat& format);

}  // namespace jinja
