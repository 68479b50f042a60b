// Finds where any of a set of texts stands in another one, in one pass, however many there are.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gpt4all {

// Plain computation, in UTF-16 units.
class TextSet {
 public:
  TextSet() = default;
  explicit TextSet(std::vector<std::u16string> texts);

  // The text with each place marked where one of the texts begins: `cut` behind its first character, or that
  // character between `open` and `close` where it is one of the texts as a whole.
  std::u16string Marked(const std::u16string& in, const std::u16string& cut, const std::u16string& open,
                        const std::u16string& close) const;
  // What is left where the texts are taken out, of several at one place the longest.
  std::u16string Without(const std::u16string& in) const;
  // Which of the texts occur at all, by their index, ascending.
  std::vector<uint32_t> Occurring(const std::u16string& in) const;

 private:
  // Calls `found` with each text that begins at `at`, from the shortest on, while it returns true.
  template <typename Found>
  void At(const std::u16string& in, size_t at, Found&& found) const;

  // In the order of the texts, without empty ones; `second` is the index.
  std::vector<std::pair<std::u16string, uint32_t>> texts_;
  std::vector<size_t> sizes_;  // by the index
  std::vector<bool> begins_;   // by UTF-16 unit: whether a text begins with it
};

// NativeTextFinder of src/native/types.ts
class TextFinder : public Napi::ObjectWrap<TextFinder> {
 public:
  static Napi::Function Init(Napi::Env env);

  explicit TextFinder(const Napi::CallbackInfo& info);

 private:
  Napi::Value Marked(const Napi::CallbackInfo& info);
  Napi::Value Without(const Napi::CallbackInfo& info);
  Napi::Value Occurring(const Napi::CallbackInfo& info);

  TextSet texts_;
};

}  // namespace gpt4all
