#include <cmath>

#include "characters.h"
#include "filters.h"
#include "numbers.h"
#include "operations.h"
#include "utf8.h"

namespace jinja {

namespace {

// Python reads the digits of all scripts.
void RefuseForeignDigits(const ValuePtr& value) {
  if (value->IsUndefined()) ThrowUndefined(*value);
  if (!Is<StringValue>(value)) return;
  for (const char32_t code : DecodeUtf8(value->text)) {
    if (code >= 0x80 && IsDecimal(code)) throw NotImplemented("a number beyond ASCII");
  }
}

bool ToFloat(const ValuePtr& value, double& number) {
  if (Is<StringValue>(value)) return ReadFloat(value->text, number);
  number = value->real;
  return value->IsNumber();
}

ValuePtr Int(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "default", "base"});
  RefuseForeignDigits(given[0]);
  if (given[0]->IsInteger()) return Make<IntValue>(given[0]->integer);
  const int64_t base = given[2] ? ToIndex(given[2]) : 10;
  if (base != 0 && (base < 2 || base > 36)) throw NotImplemented("the filter int with that base");
  int64_t number = 0;
  if (Is<StringValue>(given[0]) && ReadInteger(given[0]->text, static_cast<int>(base), number)) {
    return Make<IntValue>(number);
  }
  double real = 0;
  if (!ToFloat(given[0], real) || !std::isfinite(real)) return given[1] ? given[1] : Make<IntValue>(0);
  if (std::fabs(real) > 9.2e18) throw NotImplemented("an integer of more than 64 bits");
  return Make<IntValue>(static_cast<int64_t>(real));
}

ValuePtr Float(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "default"});
  RefuseForeignDigits(given[0]);
  double number = 0;
  if (ToFloat(given[0], number)) return Make<FloatValue>(number);
  return given[1] ? given[1] : Make<FloatValue>(0.0);
}

ValuePtr Abs(const Arguments& arguments) {
  const ValuePtr input = arguments.Bind({"value"})[0];
  if (input->IsUndefined()) ThrowUndefined(*input);
  if (Is<FloatValue>(input)) return Make<FloatValue>(std::fabs(input->real));
  if (!input->IsInteger())
    throw TemplateError(std::string("bad operand type for abs(): ") + input->TypeName());
  return Calculate(input->integer < 0 ? "-" : "+", Make<IntValue>(0), input);
}

ValuePtr Round(const Arguments& arguments) {
  const auto given = arguments.Bind({"value", "precision", "method"});
  const ValuePtr& input = given[0];
  const std::string method = given[2] ? given[2]->ToText().text : "common";
  const int64_t precision = given[1] ? ToIndex(given[1]) : 0;
  if (method != "common" && method != "ceil" && method != "floor") {
    throw TemplateError("method must be common, ceil or floor");
  }
  if (input->IsUndefined()) ThrowUndefined(*input);
  if (!input->IsNumber()) throw TemplateError(std::string(input->TypeName()) + " cannot be rounded");
  if (precision < 0 || precision > 15 || !(std::fabs(input->real) < 1e15)) {
    throw NotImplemented("the filter round with these numbers");
  }
  if (method != "common") {
    const double scale = std::pow(10.0, static_cast<double>(precision)), scaled = input->real * scale;
    return Make<FloatValue>((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (input->IsInteger()) return Make<IntValue>(input->integer);
  double rounded = 0;
  ReadPlainFloat(FloatToFixed(input->real, static_cast<int>(precision)), rounded);
  return Make<FloatValue>(std::copysign(rounded, input->real));
}

}  // namespace

Functions NumberFilters() {
  return {{"abs", Abs}, {"float", Float}, {"int", Int}, {"round", Round}};
}

}  // namespace jinja
