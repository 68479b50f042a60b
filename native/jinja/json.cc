#include "json.h"

#include <algorithm>
#include <cstdio>

#include "marking.h"
#include "operations.h"
#include "text.h"
#include "utf8.h"
#include "values.h"

namespace jinja {

namespace {

void AppendUtf16(std::string& out, char32_t unit) {
  char written[16];
  std::snprintf(written, sizeof(written), "\\u%04x", static_cast<unsigned>(unit));
  out += written;
}

void AppendCharacter(std::string& out, char32_t code, bool ensure_ascii) {
  static const std::string special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
  const size_t known = code < 0x80 ? special.find(static_cast<char>(code)) : std::string::npos;
  if (known != std::string::npos) {
    out += {'\\', letters[known]};
  } else if (code >= 0x20 && (!ensure_ascii || code < 0x7f || Marking::IsMark(code))) {
    AppendUtf8(out, code);
  } else if (code < 0x10000) {
    AppendUtf16(out, code);
  } else {
    AppendUtf16(out, 0xd800 + ((code - 0x10000) >> 10));
    AppendUtf16(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
  }
}

// The JSON of a value without parts; false for one with parts.
bool PlainToJson(const Value& value, std::string& out) {
  if (value.IsNone()) {
    out = "null";
  } else if ((value.kinds & kBool) != 0) {
    out = value.IsTrue() ? "true" : "false";
  } else if (value.IsNumber()) {
    out = value.ToText().text;
  } else {
    return false;
  }
  return true;
}

class Writer {
 public:
  Writer(MixedText& out, const JsonFormat& format) : out_(out), format_(format) {}

  void Write(const ValuePtr& value, size_t level) {
    const DepthGuard guard;
    Spend(2);
    std::string plain;
    if (PlainToJson(*value, plain)) {
      AppendText(out_, plain);
    } else if (Is<StringValue>(value)) {
      WriteText(As<StringValue>(value)->mixed());
    } else if (Is<ListValue>(value)) {
      const std::vector<ValuePtr>& items = value->items;
      WriteAll('[', ']', items.size(), level, [&](size_t i) { Write(items[i], level + 1); });
    } else if (Is<IteratorValue>(value) && As<IteratorValue>(value)->has_json) {
      const std::vector<ValuePtr> items = Iterate(value);
      const Holding holding(items.size() * sizeof(ValuePtr));
      WriteAll('[', ']', items.size(), level, [&](size_t i) { Write(items[i], level + 1); });
    } else if (value->IsMapping()) {
      WriteDict(*value, level);
    } else {
      throw TemplateError(std::string("Object of type ") + value->TypeName() + " is not JSON serializable");
    }
  }

 private:
  void WriteText(const MixedView& text) {
    SpendOnReading(4 * text.text.size());
    AppendText(out_, "\"");
    for (const MixedView& part : text.Parts()) {
      std::string written;
      for (const char32_t code : DecodeUtf8(part.text)) AppendCharacter(written, code, format_.ensure_ascii);
      EnsureRoom(written.size());
      AppendText(out_, part.Made(std::move(written)));
    }
    AppendText(out_, "\"");
  }

  void WriteDict(const Value& dict, size_t level) {
    std::vector<Pair> pairs = dict.pairs;
    SpendOnItems(pairs.size());
    const Holding holding(pairs.size() * sizeof(Pair));
    if (format_.sort_keys) {
      std::stable_sort(pairs.begin(), pairs.end(),
                       [](const Pair& a, const Pair& b) { return IsLess(a.first, b.first); });
    }
    WriteAll('{', '}', pairs.size(), level, [&](size_t i) {
      MixedText key;
      if (Is<StringValue>(pairs[i].first)) {
        key = pairs[i].first->ToText();
      } else if (!PlainToJson(*pairs[i].first, key.text)) {
        throw TemplateError(std::string("keys must be str, int, float, bool or None, not ") +
                            pairs[i].first->TypeName());
      }
      WriteText(key);
      AppendText(out_, format_.key_separator);
      Write(pairs[i].second, level + 1);
    });
  }

  template <typename WriteItem>
  void WriteAll(char open, char close, size_t count, size_t level, const WriteItem& write) {
    AppendText(out_, std::string_view(&open, 1));
    for (size_t i = 0; i < count; i++) {
      if (i > 0) AppendText(out_, format_.item_separator);
      NewLine(level + 1);
      write(i);
    }
    if (count > 0) NewLine(level);
    AppendText(out_, std::string_view(&close, 1));
  }

  void NewLine(size_t level) {
    if (!format_.multiline) return;
    AppendText(out_, "\n");
    for (size_t i = 0; i < level; i++) AppendText(out_, format_.indent);
  }

  MixedText& out_;
  const JsonFormat& format_;
};

}  // namespace

MixedText ToJson(const ValuePtr& value, const JsonFormat& format) {
  MixedText out;
  Writer(out, format).Write(value, 0);
  return out;
}

}  // namespace jinja
