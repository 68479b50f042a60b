#include "text-finder.h"

#include <algorithm>

#include "args.h"

namespace gpt4all {

TextSet::TextSet(std::vector<std::u16string> texts) : sizes_(texts.size()), begins_(65536) {
  for (uint32_t i = 0; i < texts.size(); i++) {
    if (texts[i].empty()) continue;
    begins_[texts[i][0]] = true;
    sizes_[i] = texts[i].size();
    texts_.emplace_back(std::move(texts[i]), i);
  }
  std::sort(texts_.begin(), texts_.end());
}

template <typename Found>
void TextSet::At(const std::u16string& in, size_t at, Found&& found) const {
  if (texts_.empty() || !begins_[in[at]]) return;
  // Those whose first `n` units stand at `at`; in their order the one that is no longer comes first.
  auto first = texts_.begin(), last = texts_.end();
  for (size_t n = 0; at + n < in.size(); n++) {
    const char16_t unit = in[at + n];
    first =
        std::lower_bound(first, last, unit, [n](const auto& text, char16_t u) { return text.first[n] < u; });
    last =
        std::upper_bound(first, last, unit, [n](char16_t u, const auto& text) { return u < text.first[n]; });
    for (; first != last && first->first.size() == n + 1; ++first)
      if (!found(first->second)) return;
    if (first == last) return;
  }
}

std::u16string TextSet::Marked(const std::u16string& in, const std::u16string& cut,
                               const std::u16string& open, const std::u16string& close) const {
  std::u16string marked;
  marked.reserve(in.size());
  for (size_t at = 0; at < in.size();) {
    const bool pair = at + 1 < in.size() && (in[at] & 0xfc00) == 0xd800 && (in[at + 1] & 0xfc00) == 0xdc00;
    const size_t size = pair ? 2 : 1;
    bool begins = false, single = false;
    At(in, at, [&](uint32_t index) {
      begins = true;
      single = sizes_[index] <= size;
      return false;
    });
    if (single) marked += open;
    marked.append(in, at, size);
    if (begins) marked += single ? close : cut;
    at += size;
  }
  return marked;
}

std::u16string TextSet::Without(const std::u16string& in) const {
  std::u16string left;
  left.reserve(in.size());
  for (size_t at = 0; at < in.size();) {
    size_t taken = 0;
    At(in, at, [&](uint32_t index) {
      taken = sizes_[index];
      return true;
    });
    if (taken == 0) left += in[at];
    at += std::max<size_t>(taken, 1);
  }
  return left;
}

std::vector<uint32_t> TextSet::Occurring(const std::u16string& in) const {
  std::vector<uint32_t> found;
  std::vector<bool> known;
  for (size_t at = 0; at < in.size(); at++) {
    At(in, at, [&](uint32_t index) {
      if (known.size() <= index) known.resize(index + 1);
      if (!known[index]) found.push_back(index);
      known[index] = true;
      return true;
    });
  }
  std::sort(found.begin(), found.end());
  return found;
}

namespace {

std::u16string Units(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw BadArgument(value.Env(), name, "a string");
  return value.As<Napi::String>().Utf16Value();
}

Napi::Value ToArray(Napi::Env env, const std::vector<uint32_t>& numbers) {
  auto array = Napi::Uint32Array::New(env, numbers.size());
  std::copy(numbers.begin(), numbers.end(), array.Data());
  return array;
}

}  // namespace

Napi::Function TextFinder::Init(Napi::Env env) {
  return DefineClass(env, "TextFinder",
                     {
                         InstanceMethod<&TextFinder::Marked>("marked"),
                         InstanceMethod<&TextFinder::Without>("without"),
                         InstanceMethod<&TextFinder::Occurring>("occurring"),
                     });
}

TextFinder::TextFinder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TextFinder>(info) {
  std::vector<std::u16string> texts;
  ForEach(info[0], "texts", UINT32_MAX,
          [&](const Napi::Value& text) { texts.push_back(Units(text, "texts")); });
  texts_ = TextSet(std::move(texts));
}

Napi::Value TextFinder::Marked(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), texts_.Marked(Units(info[0], "text"), Units(info[1], "cut"),
                                                     Units(info[2], "open"), Units(info[3], "close")));
}

Napi::Value TextFinder::Without(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), texts_.Without(Units(info[0], "text")));
}

Napi::Value TextFinder::Occurring(const Napi::CallbackInfo& info) {
  return ToArray(info.Env(), texts_.Occurring(Units(info[0], "text")));
}

}  // namespace gpt4all
