#include <napi.h>
#include "llama.h"
static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, llama_version()));
  return exports;
}
NODE_API_MODULE(gpt4all, Init)
