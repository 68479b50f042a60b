// Jinja2's filters and tests, and transformers' tojson.
#pragma once

#include "arguments.h"

namespace jinja {

// Includes those that are not implemented, which throw that when they are used.
const Functions& Filters();
const Functions& Tests();

// Filters by the kind of value they work with.
Functions TextFilters();
Functions NumberFilters();
Functions SequenceFilters();
Functions ChoosingFilters();

// item, item.name or item.name.other, for filters with an attribute; `otherwise` if that is undefined.
ValuePtr PickAttribute(const ValuePtr& item, const ValuePtr& attribute, const ValuePtr& otherwise = nullptr);

// A text in lower case, unless case matters; other values as they are.
ValuePtr FoldCase(const ValuePtr& value, bool case_sensitive);

}  // namespace jinja
