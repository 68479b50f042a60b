#include <algorithm>
#include <cmath>
#include <limits>

#include "formatting.h"
#include "operations.h"
#include "text.h"
#include "values.h"

namespace jinja {

namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min(), kMost = std::numeric_limits<int64_t>::max();

//
// comparison
//

template <typename T>
bool CompareAs(const T& left, const T& right, Comparison comparison) {
  switch (comparison) {
    case Comparison::kLess:
      return left < right;
    case Comparison::kLessOrEqual:
      return left <= right;
    case Comparison::kGreater:
      return left > right;
    default:
      return left >= right;
  }
}

int Sign(int64_t left, int64_t right) {
  return left < right ? -1 : left > right ? 1 : 0;
}

// An integer may be more precise than a float is, and floats be larger.
int Sign(int64_t left, double right) {
  if (right >= 0x1p63) return -1;
  if (right < -0x1p63) return 1;
  const auto whole = static_cast<int64_t>(right);
  if (left != whole) return Sign(left, whole);
  const double rest = right - static_cast<double>(whole);
  return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

bool CompareNumbers(const Value& left, const Value& right, Comparison comparison) {
  if (left.IsInteger() && right.IsInteger()) return CompareAs(left.integer, right.integer, comparison);
  if (left.IsInteger()) return CompareAs(Sign(left.integer, right.real), 0, comparison);
  if (right.IsInteger()) return CompareAs(0, Sign(right.integer, left.real), comparison);
  return CompareAs(left.real, right.real, comparison);
}

// The first items that differ decide.
bool CompareItems(const std::vector<ValuePtr>& left, const std::vector<ValuePtr>& right,
                  Comparison comparison) {
  const DepthGuard guard;
  for (size_t i = 0; i < left.size() && i < right.size(); i++) {
    if (!left[i]->Equals(*right[i])) return Compare(left[i], right[i], comparison);
  }
  return CompareAs(left.size(), right.size(), comparison);
}

void RefuseUndefined(const ValuePtr& left, const ValuePtr& right) {
  if (left->IsUndefined()) ThrowUndefined(*left);
  if (right->IsUndefined()) ThrowUndefined(*right);
}

//
// integers, of which Python has larger ones
//

[[noreturn]] void ThrowOverflow() {
  throw NotImplemented("an integer of more than 64 bits");
}

[[noreturn]] void ThrowZero() {
  throw TemplateError("division by zero");
}

}  // namespace

int64_t Add(int64_t a, int64_t b) {
  if ((b > 0 && a > kMost - b) || (b < 0 && a < kLeast - b)) ThrowOverflow();
  return a + b;
}

int64_t Subtract(int64_t a, int64_t b) {
  if ((b < 0 && a > kMost + b) || (b > 0 && a < kLeast + b)) ThrowOverflow();
  return a - b;
}

int64_t Multiply(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  const bool fits =
      a > 0 ? (b > 0 ? a <= kMost / b : b >= kLeast / a) : (b > 0 ? a >= kLeast / b : b >= kMost / a);
  if (!fits) ThrowOverflow();
  return a * b;
}

namespace {

// Rounded down, with the rest.
int64_t Divide(int64_t a, int64_t b, int64_t& rest) {
  if (b == 0) ThrowZero();
  rest = b == -1 ? 0 : a % b;
  if (b == -1) return Subtract(0, a);
  const bool down = rest != 0 && (rest < 0) != (b < 0);
  if (down) rest += b;
  return a / b - (down ? 1 : 0);
}

int64_t Power(int64_t base, int64_t exponent) {
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  int64_t result = 1;
  for (; exponent > 0; exponent--) result = Multiply(result, base);
  return result;
}

ValuePtr Calculate(const std::string& op, int64_t a, int64_t b) {
  int64_t rest = 0;
  if (op == "+") return Make<IntValue>(Add(a, b));
  if (op == "-") return Make<IntValue>(Subtract(a, b));
  if (op == "*") return Make<IntValue>(Multiply(a, b));
  const int64_t quotient = Divide(a, b, rest);
  return Make<IntValue>(op == "//" ? quotient : rest);
}

//
// floats
//

// As Python's float_divmod().
double Divide(double a, double b, double& rest) {
  if (b == 0) ThrowZero();
  rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest == 0) {
    rest = std::copysign(0.0, b);
  } else if ((b < 0) != (rest < 0)) {
    rest += b;
    quotient -= 1;
  }
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

ValuePtr Calculate(const std::string& op, double a, double b) {
  double rest = 0;
  if (op == "+") return Make<FloatValue>(a + b);
  if (op == "-") return Make<FloatValue>(a - b);
  if (op == "*") return Make<FloatValue>(a * b);
  const double quotient = Divide(a, b, rest);
  return Make<FloatValue>(op == "//" ? quotient : rest);
}

ValuePtr Power(const Value& base, const Value& exponent) {
  if (base.IsInteger() && exponent.IsInteger() && exponent.integer >= 0) {
    return Make<IntValue>(Power(base.integer, exponent.integer));
  }
  const double a = base.real, b = exponent.real;
  if (a == 0 && b < 0) ThrowZero();
  if (a < 0 && b != std::floor(b)) throw NotImplemented("a complex number");
  const double result = std::pow(a, b);
  if (std::isinf(result)) throw TemplateError("Result too large");
  return Make<FloatValue>(result);
}

ValuePtr CalculateNumbers(const std::string& op, const Value& left, const Value& right) {
  if (op == "**") return Power(left, right);
  if (op == "/") {
    if (right.real == 0) ThrowZero();
    const bool are_exact =
        FloatValue(left.real).integer == left.integer && FloatValue(right.real).integer == right.integer;
    if (left.IsInteger() && right.IsInteger() && !are_exact)
      throw NotImplemented("a quotient of such integers");
    return Make<FloatValue>(left.real / right.real);
  }
  if (left.IsInteger() && right.IsInteger()) return Calculate(op, left.integer, right.integer);
  return Calculate(op, left.real, right.real);
}

//
// texts and lists
//

ValuePtr Concatenate(const StringValue& left, const StringValue& right) {
  const bool is_markup = left.is_markup || right.is_markup;
  const auto escaped = [&](const StringValue& value) {
    return is_markup && !value.is_markup ? EscapeHtml(value.mixed()) : value.ToText();
  };
  MixedText text = escaped(left);
  AppendText(text, escaped(right));
  return Make<StringValue>(std::move(text), is_markup);
}

ValuePtr ConcatenateItems(const Value& left, const Value& right) {
  SpendOnItems(left.items.size() + right.items.size());
  EnsureRoom((left.items.size() + right.items.size()) * sizeof(ValuePtr));
  std::vector<ValuePtr> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return MakeLike(left, std::move(items));
}

ValuePtr Repeat(const Value& sequence, int64_t times) {
  const bool is_text = (sequence.kinds & kString) != 0;
  const auto size = static_cast<int64_t>(is_text ? sequence.text.size() : sequence.items.size());
  const auto total = static_cast<uint64_t>(Multiply(std::max<int64_t>(times, 0), size));
  EnsureRoom(total);
  if (is_text) {
    const auto& text = static_cast<const StringValue&>(sequence);
    const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
    return Make<StringValue>(RepeatText(text.mixed(), size == 0 ? 0 : count), text.is_markup);
  }
  EnsureRoom(total * sizeof(ValuePtr));
  Spend(total);
  std::vector<ValuePtr> items;
  while (items.size() < total) {
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  }
  return MakeLike(sequence, std::move(items));
}

}  // namespace

bool Compare(const ValuePtr& left, const ValuePtr& right, Comparison comparison) {
  if (comparison == Comparison::kEqual) return left->Equals(*right);
  if (comparison == Comparison::kUnequal) return !left->Equals(*right);
  Spend(1);
  RefuseUndefined(left, right);
  if (left->IsNumber() && right->IsNumber()) return CompareNumbers(*left, *right, comparison);
  if (Is<StringValue>(left) && Is<StringValue>(right)) {
    SpendOnReading(std::min(left->text.size(), right->text.size()));
    return CompareAs(left->text, right->text, comparison);  // in UTF-8 the order is that of the code points
  }
  if (Is<ListValue>(left) && left->kinds == right->kinds) {
    return CompareItems(left->items, right->items, comparison);
  }
  throw TemplateError(std::string("'") + left->TypeName() + "' and '" + right->TypeName() +
                      "' have no order");
}

bool IsLess(const ValuePtr& left, const ValuePtr& right) {
  return Compare(left, right, Comparison::kLess);
}

ValuePtr Calculate(const std::string& op, const ValuePtr& left, const ValuePtr& right) {
  if (op == "~") {
    MixedText text = left->ToText();
    AppendText(text, right->ToText());
    return Make<StringValue>(std::move(text));
  }
  const auto *left_text = As<StringValue>(left), *right_text = As<StringValue>(right);
  if (op == "%" && left_text != nullptr) return Make<StringValue>(FormatPercent(*left_text, right));
  RefuseUndefined(left, right);
  if (left->IsNumber() && right->IsNumber()) return CalculateNumbers(op, *left, *right);
  const bool are_lists = Is<ListValue>(left) && left->kinds == right->kinds;
  if (op == "+" && left_text != nullptr && right_text != nullptr) return Concatenate(*left_text, *right_text);
  if (op == "+" && are_lists) return ConcatenateItems(*left, *right);
  const auto repeats = [](const Value& value) { return (value.kinds & (kString | kList)) != 0; };
  if (op == "*" && repeats(*left) && right->IsInteger()) return Repeat(*left, right->integer);
  if (op == "*" && repeats(*right) && left->IsInteger()) return Repeat(*right, left->integer);
  throw TemplateError("unsupported operand types for " + op + ": '" + left->TypeName() + "' and '" +
                      right->TypeName() + "'");
}

int64_t ToIndex(const ValuePtr& value) {
  if (value->IsUndefined()) ThrowUndefined(*value);
  if (!value->IsInteger()) {
    throw TemplateError(std::string("'") + value->TypeName() + "' cannot be interpreted as an integer");
  }
  return value->integer;
}

}  // namespace jinja
