// Each kind of value. Longer functions are in values.cc, repr.cc and loop.h.
#pragma once

#include <functional>
#include <unordered_map>

#include "hash.h"
#include "value.h"

namespace jinja {

class Arguments;

class IntValue : public Value {
 public:
  static constexpr uint32_t kKinds = kInt;
  explicit IntValue(int64_t value) : Value(kKinds) {
    integer = value;
    real = static_cast<double>(value);
  }
  const char* TypeName() const override { return "int"; }
  bool IsTrue() const override { return integer != 0; }
  MixedText ToRepr() const override { return MixedText(std::to_string(integer)); }
  bool IsHashable() const override { return true; }
  size_t Hash() const override { return HashInteger(integer); }
};

class BoolValue : public Value {
 public:
  static constexpr uint32_t kKinds = kBool;
  explicit BoolValue(bool value) : Value(kKinds) {
    integer = value ? 1 : 0;
    real = value ? 1 : 0;
  }
  const char* TypeName() const override { return "bool"; }
  bool IsTrue() const override { return integer != 0; }
  MixedText ToRepr() const override { return MixedText(integer != 0 ? "True" : "False"); }
  bool IsHashable() const override { return true; }
  size_t Hash() const override { return HashInteger(integer); }
};

class FloatValue : public Value {
 public:
  static constexpr uint32_t kKinds = kFloat;
  explicit FloatValue(double value);
  const char* TypeName() const override { return "float"; }
  bool IsTrue() const override { return real != 0; }
  MixedText ToRepr() const override;
  bool IsHashable() const override { return true; }
  size_t Hash() const override;
};

class NoneValue : public Value {
 public:
  static constexpr uint32_t kKinds = kNone;
  NoneValue() : Value(kKinds) {}
  const char* TypeName() const override { return "None"; }
  bool IsTrue() const override { return false; }
  MixedText ToRepr() const override { return MixedText("None"); }
  bool IsHashable() const override { return true; }
  size_t Hash() const override { return HashText("None"); }

 protected:
  bool EqualsSame(const Value&) const override { return true; }
};

class UndefinedValue : public Value {
 public:
  static constexpr uint32_t kKinds = kUndefined;
  // `hint` is what is said of it where it is used.
  explicit UndefinedValue(std::string hint) : Value(kKinds), hint(std::move(hint)) {}
  const char* TypeName() const override { return "undefined"; }
  bool IsTrue() const override { return false; }
  MixedText ToText() const override { return {}; }
  MixedText ToRepr() const override { return MixedText("Undefined"); }
  bool IsHashable() const override { return true; }

  const std::string hint;

 protected:
  size_t NotesSize() const override { return hint.size(); }
  bool EqualsSame(const Value&) const override { return true; }
};

class StringValue : public Value {
 public:
  static constexpr uint32_t kKinds = kString;
  // `is_markup`: the result of the filters safe and escape, which escapes what is added to it.
  explicit StringValue(MixedText value, bool is_markup = false)
      : Value(kKinds), is_markup(is_markup), users(std::move(value.users)) {
    text = std::move(value.text);
  }
  const char* TypeName() const override { return "str"; }
  bool IsTrue() const override { return !text.empty(); }
  MixedText ToText() const override { return mixed().Copy(); }
  MixedText ToRepr() const override;
  bool IsHashable() const override { return true; }
  size_t Hash() const override;

  MixedView mixed() const { return {text, users}; }

  const bool is_markup;
  const UserBytes users;

 protected:
  size_t NotesSize() const override { return users.MemorySize(); }
  bool EqualsSame(const Value& other) const override;
};

// A text of the template's own.
inline ValuePtr MakeText(std::string text) {
  return Make<StringValue>(MixedText(std::move(text)));
}

class ListValue : public Value {
 public:
  static constexpr uint32_t kKinds = kList;
  explicit ListValue(std::vector<ValuePtr> values = {}, uint32_t kinds = kKinds) : Value(kinds) {
    items = std::move(values);
  }
  const char* TypeName() const override { return "list"; }
  bool IsTrue() const override { return !items.empty(); }
  MixedText ToRepr() const override;

  void Append(const ValuePtr& value);

  // How often a template has changed it.
  size_t changes = 0;

 protected:
  bool EqualsSame(const Value& other) const override;
};

class TupleValue : public ListValue {
 public:
  static constexpr uint32_t kKinds = kList | kTuple;
  explicit TupleValue(std::vector<ValuePtr> values = {}) : ListValue(std::move(values), kKinds) {}
  explicit TupleValue(const Pair& pair) : TupleValue(std::vector<ValuePtr>{pair.first, pair.second}) {}

  // Of the filter groupby: its items have names.
  bool is_group = false;

  const char* TypeName() const override { return "tuple"; }
  MixedText ToRepr() const override;
  bool IsHashable() const override;
  size_t Hash() const override;
};

// A list or a tuple, as `like` is.
ValuePtr MakeLike(const Value& like, std::vector<ValuePtr> items);

class DictValue : public Value {
 public:
  static constexpr uint32_t kKinds = kDict;
  explicit DictValue(uint32_t kinds = kKinds) : Value(kinds) {}
  const char* TypeName() const override { return "dict"; }
  bool IsTrue() const override { return !pairs.empty(); }
  MixedText ToRepr() const override;
  void TakeParts(std::vector<ValuePtr>& parts) override;

  void Insert(const ValuePtr& key, const ValuePtr& value);
  void Insert(std::string key, const ValuePtr& value) { Insert(MakeText(std::move(key)), value); }
  // Null if there is no such key.
  ValuePtr Find(const ValuePtr& key) const;

 protected:
  bool EqualsSame(const Value& other) const override;

 private:
  std::unordered_map<ValuePtr, size_t, ValueHash, ValueEquality> places_;  // in `pairs`
};

// What namespace() makes: its attributes can be set.
class NamespaceValue : public DictValue {
 public:
  static constexpr uint32_t kKinds = kDict | kNamespace;
  NamespaceValue() : DictValue(kKinds) {}
  const char* TypeName() const override { return "Namespace"; }
  bool IsTrue() const override { return true; }
  MixedText ToRepr() const override;

 protected:
  bool EqualsSame(const Value& other) const override { return this == &other; }
};

// dict.keys(), dict.values() and dict.items(): they have items, but are not lists.
class ViewValue : public Value {
 public:
  static constexpr uint32_t kKinds = kView;
  ViewValue(const char* name, std::vector<ValuePtr> values) : Value(kKinds), name_(name) {
    items = std::move(values);
  }
  const char* TypeName() const override { return name_; }
  bool IsTrue() const override { return !items.empty(); }
  MixedText ToRepr() const override;
  bool Has(const ValuePtr& item) const;

 protected:
  bool EqualsSame(const Value& other) const override;

 private:
  const char* const name_;
};

// range(): a sequence of integers, but not a list.
class RangeValue : public Value {
 public:
  static constexpr uint32_t kKinds = kRange;
  RangeValue(int64_t start, int64_t stop, int64_t step);
  const char* TypeName() const override { return "range"; }
  bool IsTrue() const override { return !items.empty(); }
  MixedText ToRepr() const override;

  const int64_t start, stop, step;

 protected:
  bool EqualsSame(const Value& other) const override;
};

// Returns the next item, or null after the last.
using Source = std::function<ValuePtr()>;

// The result of filters such as map and select: each item is made when it is read, which can be done once.
class IteratorValue : public Value {
 public:
  static constexpr uint32_t kKinds = kIterator;
  // `from` is what the items are made of. `has_json`: Python has no JSON for it, but templates made for
  // llama.cpp rely on it.
  IteratorValue(const std::vector<ValuePtr>& from, std::function<Source()> begin, bool has_json = false);
  const char* TypeName() const override { return "generator"; }

  // Null if no items are left.
  ValuePtr TakeNext();

  const bool has_json;

 private:
  std::function<Source()> begin_;  // null once it is begun
  Source next_;                    // null after the last
  bool is_reading_ = false;
};

using Function = std::function<ValuePtr(const Arguments&)>;

class FunctionValue : public Value {
 public:
  static constexpr uint32_t kKinds = kFunction;
  FunctionValue(std::string name, Function function)
      : Value(kKinds), name(std::move(name)), function(std::move(function)) {}
  // The method of a value.
  FunctionValue(std::string name, Function function, const ValuePtr& self)
      : FunctionValue(std::move(name), std::move(function)) {
    this->self = self;
    depth = Deeper(*self);
  }
  const char* TypeName() const override { return "function"; }

  const std::string name;
  const Function function;
  ValuePtr self;

 protected:
  size_t NotesSize() const override { return name.size(); }
};

// name=value, among the arguments of a call.
class KeywordValue : public Value {
 public:
  static constexpr uint32_t kKinds = kKeyword;
  KeywordValue(std::string name, const ValuePtr& value) : KeywordValue(MixedText(std::move(name)), value) {}
  KeywordValue(MixedText name, const ValuePtr& value)
      : Value(kKinds), name(std::move(name.text)), value(value), users_(std::move(name.users)) {
    depth = Deeper(*value);
  }
  const char* TypeName() const override { return "keyword argument"; }

  ValuePtr MakeKey() const { return Make<StringValue>(MixedText(name, users_)); }

  const std::string name;
  const ValuePtr value;

 protected:
  size_t NotesSize() const override { return name.size() + users_.MemorySize(); }

 private:
  const UserBytes users_;  // of the name
};

}  // namespace jinja
