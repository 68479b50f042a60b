// Jinja2's templates, exactly: what this engine renders is what Jinja2 renders, and what it cannot render so
// it refuses. It takes the place of llama.cpp's own engine (vendor/patches/0010-...), and has the names by
// which llama.cpp calls it.
#pragma once

#include <string>

#include "parser.h"

class common_json;

namespace jinja {

// Sets a variable for each key of an object, whose texts come `from_users` but for the names of roles and the
// model's own tokens.
void SetVariables(Context& context, const common_json& object, bool from_users);

// What a Marking on this thread, if there is one, makes of what the template writes.
std::string Render(const Program& program, Context& context);

}  // namespace jinja
