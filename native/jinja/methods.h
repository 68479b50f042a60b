// The methods that templates can call.
#pragma once

#include "arguments.h"

namespace jinja {

const Functions& MethodsOf(const Value& value);

const Functions& StringMethods();

}  // namespace jinja
