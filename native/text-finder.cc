#include "text-finder.h"

#include <algorithm>
#include <utility>

#include "args.h"

namespace gpt4all {

namespace {

std::u16string Units(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw BadArgument(value.Env(), name, "a string");
  return value.As<Napi::String>().Utf16Value();
}

// Pairs of the beginning and the end of a range.
std::vector<UnitRange> Ranges(const Napi::Value& value, const char* name, size_t length) {
  if (!IsTyped(value, napi_uint32_array)) throw BadArgument(value.Env(), name, "a Uint32Array");
  const std::vector<uint32_t> places = Copied(value.As<Napi::Uint32Array>(), name, UINT32_MAX);
  const bool is_sound = places.size() % 2 == 0 && std::is_sorted(places.begin(), places.end()) &&
                        (places.empty() || places.back() <= length);
  if (!is_sound) throw BadArgument(value.Env(), name, "pairs of places in the text, ascending");
  std::vector<UnitRange> ranges;
  for (size_t i = 0; i < places.size(); i += 2) ranges.push_back({places[i], places[i + 1]});
  return ranges;
}

Spelling ReadSpelling(const Napi::Value& value) {
  const std::string name = Text(value, "spelling");
  if (name == "plain") return Spelling::kPlain;
  if (name == "characters") return Spelling::kCharacters;
  if (name == "escapes") return Spelling::kEscapes;
  throw BadArgument(value.Env(), "spelling", "plain, characters or escapes");
}

}  // namespace

const napi_type_tag TextFinder::kTag = {0x80c70cfe1c9724af, 0x74b13f9186af6c8d};

Napi::Function TextFinder::Init(Napi::Env env) {
  return DefineClass(env, "TextFinder",
                     {
                         InstanceMethod<&TextFinder::UnusedMarks>("unusedMarks"),
                         InstanceMethod<&TextFinder::Marked>("marked"),
                         InstanceMethod<&TextFinder::MarkedLater>("markedLater"),
                         InstanceMethod<&TextFinder::Occurring>("occurring"),
                     });
}

TextFinder::TextFinder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TextFinder>(info) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
  std::vector<std::u16string> texts;
  ForEach(info[0], "texts", UINT32_MAX,
          [&](const Napi::Value& text) { texts.push_back(Units(text, "texts")); });
  texts_ = std::make_shared<const ControlTexts>(std::move(texts), ReadSpelling(info[1]));
}

Napi::Object TextFinder::ToJs(Napi::Env env, const Marks& marks) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("cut", marks.cut);
  object.Set("open", marks.open);
  object.Set("close", marks.close);
  return object;
}

TextFinder::Marking TextFinder::ReadMarking(const Napi::CallbackInfo& info) {
  std::u16string text = Units(info[0], "text");
  const Napi::Object given = Object(info[1], "marks");
  Marks marks = {Units(given.Get("cut"), "cut"), Units(given.Get("open"), "open"),
                 Units(given.Get("close"), "close")};
  std::vector<UnitRange> users = {{0, text.size()}};
  if (!info[2].IsUndefined()) users = Ranges(info[2], "users", text.size());
  return {std::move(text), std::move(marks), std::move(users)};
}

Napi::Value TextFinder::UnusedMarks(const Napi::CallbackInfo& info) {
  PrivateUse used;
  used.Add(Units(info[0], "text"));
  return ToJs(info.Env(), texts_->UnusedMarks(used));
}

Napi::Value TextFinder::Marked(const Napi::CallbackInfo& info) {
  Marking given = ReadMarking(info);
  return Translated(info.Env(), [&] {
    const std::u16string marked = texts_->Marked(std::move(given.text), std::move(given.users), given.marks);
    return Napi::String::New(info.Env(), marked);
  });
}

Napi::Value TextFinder::MarkedLater(const Napi::CallbackInfo& info) {
  const auto given = std::make_shared<const Marking>(ReadMarking(info));
  return Worker::Submit(
      worker_, false, info, [given, texts = texts_]() -> std::function<Napi::Value(Napi::Env)> {
        return [marked = texts->Marked(given->text, given->users, given->marks)](Napi::Env env) {
          return Napi::String::New(env, marked);
        };
      });
}

Napi::Value TextFinder::Occurring(const Napi::CallbackInfo& info) {
  const std::vector<uint32_t> found = texts_->Occurring(Units(info[0], "text"));
  auto array = Napi::Uint32Array::New(info.Env(), found.size());
  std::copy(found.begin(), found.end(), array.Data());
  return array;
}

}  // namespace gpt4all
