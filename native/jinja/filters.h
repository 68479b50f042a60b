// Jinja2's filters and tests, and transformers' tojson.
#pragma once

#include "arguments.h"

namespace jinja {

// Also those that are not implemented, which say so when they are used.
const Functions& Filters();
const Functions& Tests();

// Filters by what they work with.
Functions TextFilters();
Functions NumberFilters();
Functions SequenceFilters();
Functions ChoosingFilters();

// item, item.name or item.name.other, as filters with an attribute look at it; `otherwise` for what is
// undefined.
ValuePtr PickAttribute(const ValuePtr& item, const ValuePtr& attribute, const ValuePtr& otherwise = nullptr);

// In lower case where it is a text, unless case matters.
ValuePtr FoldCase(const ValuePtr& value, bool case_sensitive);

}  // namespace jinja
