// Jinja2's templates, exactly: this engine renders what Jinja2 renders, and refuses what it cannot render so.
// It replaces llama.cpp's own engine (vendor/patches/0010-...), under the names by which llama.cpp calls
// that.
#pragma once

#include <string>

#include "parser.h"

class common_json;

namespace jinja {

// Sets a variable for each key of an object. Its texts come `from_users`, except the names of roles and the
// model's own tokens.
void SetVariables(Context& context, const common_json& object, bool from_users);

// What the Marking of this thread, if there is one, makes of the template's output.
std::string Render(const Program& program, Context& context);

}  // namespace jinja
