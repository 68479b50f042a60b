// Python's repr().
#include <cstdio>

#include "characters.h"
#include "marking.h"
#include "numbers.h"
#include "text.h"
#include "utf8.h"
#include "values.h"

namespace jinja {

namespace {

void AppendEscape(std::string& out, const char* prefix, char32_t code, int digits) {
  char written[16];
  std::snprintf(written, sizeof(written), "%s%0*x", prefix, digits, static_cast<unsigned>(code));
  out += written;
}

void AppendCharacter(std::string& out, char32_t code, char quote) {
  if (code == '\\' || code == static_cast<char32_t>(quote)) {
    out += {'\\', static_cast<char>(code)};
  } else if (code == '\n') {
    out += "\\n";
  } else if (code == '\r') {
    out += "\\r";
  } else if (code == '\t') {
    out += "\\t";
  } else if (IsPrintable(code) || Marking::IsMark(code)) {
    AppendUtf8(out, code);
  } else if (code < 0x100) {
    AppendEscape(out, "\\x", code, 2);
  } else if (code < 0x10000) {
    AppendEscape(out, "\\u", code, 4);
  } else {
    AppendEscape(out, "\\U", code, 8);
  }
}

MixedText ReprOf(const Value& value) {
  const DepthGuard guard;
  Spend(2);
  return value.ToRepr();
}

MixedText ReprOfItems(const std::string& open, const std::vector<ValuePtr>& items, const char* close) {
  MixedText out(open);
  for (size_t i = 0; i < items.size(); i++) {
    if (i > 0) AppendText(out, ", ");
    AppendText(out, ReprOf(*items[i]));
  }
  AppendText(out, close);
  return out;
}

MixedText ReprOfPairs(const char* open, const std::vector<Pair>& pairs, const char* close) {
  MixedText out{std::string(open)};
  for (size_t i = 0; i < pairs.size(); i++) {
    if (i > 0) AppendText(out, ", ");
    AppendText(out, ReprOf(*pairs[i].first));
    AppendText(out, ": ");
    AppendText(out, ReprOf(*pairs[i].second));
  }
  AppendText(out, close);
  return out;
}

}  // namespace

MixedText FloatValue::ToRepr() const {
  return MixedText(FloatToText(real));
}

MixedText StringValue::ToRepr() const {
  const bool has_single = text.find('\'') != std::string::npos,
             has_double = text.find('"') != std::string::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  SpendOnReading(4 * text.size());
  for (const char32_t code : DecodeUtf8(text)) AppendCharacter(out, code, quote);
  out += quote;
  EnsureRoom(out.size());
  return mixed().Made(is_markup ? "Markup(" + out + ")" : std::move(out));
}

MixedText ListValue::ToRepr() const {
  return ReprOfItems("[", items, "]");
}

MixedText TupleValue::ToRepr() const {
  return ReprOfItems("(", items, items.size() == 1 ? ",)" : ")");
}

MixedText DictValue::ToRepr() const {
  return ReprOfPairs("{", pairs, "}");
}

MixedText NamespaceValue::ToRepr() const {
  return ReprOfPairs("<Namespace {", pairs, "}>");
}

MixedText ViewValue::ToRepr() const {
  return ReprOfItems(TypeName() + std::string("(["), items, "])");
}

MixedText RangeValue::ToRepr() const {
  const std::string by = step == 1 ? "" : ", " + std::to_string(step);
  return MixedText("range(" + std::to_string(start) + ", " + std::to_string(stop) + by + ")");
}

}  // namespace jinja
