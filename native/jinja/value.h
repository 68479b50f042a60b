// What templates work with: Python's values, as far as templates meet them. Made by Make(), unchanged
// afterwards except namespaces and lists that are appended to, shared by their users, and counted by the
// budget of their thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "limits.h"
#include "mixed-text.h"

namespace jinja {

class Value;
using ValuePtr = std::shared_ptr<Value>;
using Pair = std::pair<ValuePtr, ValuePtr>;

// The kinds of values. One value can be of several: a tuple is a list as well.
enum Kind : uint32_t {
  kInt = 1,
  kFloat = 2,
  kBool = 4,
  kNone = 8,
  kUndefined = 16,
  kString = 32,
  kList = 64,
  kTuple = 128,
  kDict = 256,
  kNamespace = 512,
  kView = 1024,
  kRange = 2048,
  kIterator = 4096,
  kFunction = 8192,
  kKeyword = 16384,
  kLoop = 32768,
};

class Value {
 public:
  explicit Value(uint32_t kinds) : kinds(kinds) {}
  virtual ~Value();
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;

  // The name for messages.
  virtual const char* TypeName() const = 0;
  virtual bool IsTrue() const { return true; }
  // Python's str() and repr().
  virtual MixedText ToText() const { return ToRepr(); }
  virtual MixedText ToRepr() const;
  // Whether the value can be a key.
  virtual bool IsHashable() const { return false; }
  virtual size_t Hash() const { return 0; }
  bool Equals(const Value& other) const;

  bool IsUndefined() const { return (kinds & kUndefined) != 0; }
  bool IsNone() const { return (kinds & kNone) != 0; }
  // An integer or a boolean, which Python counts as an integer.
  bool IsInteger() const { return (kinds & (kInt | kBool)) != 0; }
  bool IsNumber() const { return (kinds & (kInt | kBool | kFloat)) != 0; }
  // A dict, but not a namespace.
  bool IsMapping() const { return (kinds & (kDict | kNamespace)) == kDict; }

  // Counts what the value holds, once it is whole.
  void Account();
  // Counts a part that is added, and the bytes that it takes beside itself.
  void AccountPart(const Value& part, size_t bytes);
  // The depth of a value that has this part.
  static uint16_t Deeper(const Value& part);
  // Moves all parts out of the value.
  virtual void TakeParts(std::vector<ValuePtr>& parts);

  // What llama.cpp's caps.cpp finds out about the values that it gives a template.
  struct Stats {
    struct Ops : std::vector<std::string> {
      const_iterator find(const std::string& op) const { return std::find(begin(), end(), op); }
    };
    bool used = false;
    Ops ops;  // methods and filters by name, "array_access", "object_access"
  } stats;
  void MarkUsed(const char* op = nullptr);
  void MarkAllUsed();
  ValuePtr& at(int64_t index);
  ValuePtr& at(const std::string& key);

  const uint32_t kinds;
  // Levels of values within one another, this one included.
  uint16_t depth = 1;
  // The context holds the value to its end, since it can be part of itself.
  bool is_kept = false;

  // Of integers and booleans both, of floats at least `real`.
  int64_t integer = 0;
  double real = 0;
  std::string text;
  std::vector<ValuePtr> items;
  std::vector<Pair> pairs;

 protected:
  // Bytes of texts about the value: its name, where it comes from.
  virtual size_t NotesSize() const { return 0; }
  // Called only with a value of the same class.
  virtual bool EqualsSame(const Value& other) const { return this == &other; }

 private:
  uint64_t held_ = 0;
};

template <typename T, typename... Arguments>
std::shared_ptr<T> Make(Arguments&&... arguments) {
  auto value = std::make_shared<T>(std::forward<Arguments>(arguments)...);
  value->Account();
  return value;
}

template <typename T>
bool Is(const ValuePtr& value) {
  return (value->kinds & T::kKinds) == T::kKinds;
}

// Null if the value is of another kind.
template <typename T>
T* As(const ValuePtr& value) {
  return Is<T>(value) ? static_cast<T*>(value.get()) : nullptr;
}

[[noreturn]] void ThrowUndefined(const Value& value);

struct ValueHash {
  size_t operator()(const ValuePtr& value) const { return value->Hash(); }
};
struct ValueEquality {
  bool operator()(const ValuePtr& a, const ValuePtr& b) const { return a->Equals(*b); }
};

}  // namespace jinja
