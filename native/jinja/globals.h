// The functions that every template has.
#pragma once

#include "arguments.h"

namespace jinja {

const Functions& Globals();

}  // namespace jinja
