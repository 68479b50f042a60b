// What Python does with values of any kind.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "values.h"

namespace jinja {

// iter(value): like Python's, it reads the value as it is when it gets there.
Source ItemsOf(const ValuePtr& value);
// list(value), len(value) and `item in value`.
std::vector<ValuePtr> Iterate(const ValuePtr& value);
int64_t Length(const ValuePtr& value);
bool Contains(const ValuePtr& value, const ValuePtr& item);

// value.name and value[key], or an undefined value.
ValuePtr GetAttribute(const ValuePtr& value, const std::string& name);
ValuePtr GetItem(const ValuePtr& value, const ValuePtr& key);
// value[start:stop:step]
ValuePtr GetSlice(const ValuePtr& value, const ValuePtr& start, const ValuePtr& stop, const ValuePtr& step);

enum class Comparison { kEqual, kUnequal, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
bool Compare(const ValuePtr& left, const ValuePtr& right, Comparison comparison);
bool IsLess(const ValuePtr& left, const ValuePtr& right);

// + - * / // % ** and Jinja2's ~.
ValuePtr Calculate(const std::string& op, const ValuePtr& left, const ValuePtr& right);

// Integer operations; results of more than 64 bits are refused.
int64_t Add(int64_t a, int64_t b);
int64_t Subtract(int64_t a, int64_t b);
int64_t Multiply(int64_t a, int64_t b);

// The value as an integer.
int64_t ToIndex(const ValuePtr& value);

}  // namespace jinja
