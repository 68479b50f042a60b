// The methods of strings, and what those share.
#pragma once

#include <string_view>

#include "arguments.h"
#include "mixed-text.h"

namespace jinja {

// Methods that look for a text in another, cut one into pieces, or put pieces together.
Functions SearchingMethods();

// Throw where the value is no string.
MixedView MixedOf(const ValuePtr& value);
std::string_view TextOf(const ValuePtr& value);

// For methods whose results would have to be markup.
void RefuseMarkup(const ValuePtr& value);

}  // namespace jinja
