// Texts with places to fill in.
#pragma once

#include <string>

#include "arguments.h"

namespace jinja {

// `format % arguments`
MixedText FormatPercent(const StringValue& format, const ValuePtr& arguments);

// format.format(...): the arguments after the first, which is the format, by place or name.
MixedText FormatBraces(const Arguments& arguments);

}  // namespace jinja
