#include <napi.h>

#include <string>

#include "args.h"
#include "chat-template.h"
#include "chat.h"
#include "child-process.h"
#include "context.h"
#include "embedder.h"
#include "environment.h"
#include "llama.h"
#include "log.h"
#include "model.h"
#include "parent-process.h"
#include "rpc-servers.h"
#include "sampler.h"
#include "string-scan.h"
#include "text-finder.h"
#include "tuning/matmul.h"

namespace gpt4all {

namespace {

const char* TypeName(enum ggml_backend_dev_type type) {
  switch (type) {
    case GGML_BACKEND_DEVICE_TYPE_GPU:
      return "gpu";
    case GGML_BACKEND_DEVICE_TYPE_IGPU:
      return "igpu";
    case GGML_BACKEND_DEVICE_TYPE_CPU:
      return "cpu";
    default:
      return "accel";
  }
}

Napi::Value Devices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<ggml_backend_dev_t> present = RpcDevices();
  for (size_t i = 0; i < ggml_backend_dev_count(); i++) present.push_back(ggml_backend_dev_get(i));
  Napi::Array devices = Napi::Array::New(env, present.size());
  for (size_t i = 0; i < present.size(); i++) {
    ggml_backend_dev_t device = present[i];
    size_t free = 0, total = 0;
    ggml_backend_dev_memory(device, &free, &total);
    Napi::Object one = Napi::Object::New(env);
    one.Set("name", ggml_backend_dev_name(device));
    one.Set("description", ggml_backend_dev_description(device));
    one.Set("backend", ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)));
    one.Set("type", TypeName(ggml_backend_dev_type(device)));
    one.Set("memoryFree", static_cast<double>(free));
    one.Set("memoryTotal", static_cast<double>(total));
    devices.Set(static_cast<uint32_t>(i), one);
  }
  return devices;
}

// What this build computes with, whether or not the machine has such a device.
Napi::Value Backends(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const size_t count = ggml_backend_reg_count();
  Napi::Array backends = Napi::Array::New(env, count);
  for (size_t i = 0; i < count; i++)
    backends.Set(static_cast<uint32_t>(i), ggml_backend_reg_name(ggml_backend_reg_get(i)));
  return backends;
}

Napi::Value KernelNames(const Napi::CallbackInfo& info) {
  const std::vector<std::string> kernels = Kernels();
  Napi::Array names = Napi::Array::New(info.Env(), kernels.size());
  for (size_t i = 0; i < kernels.size(); i++) names.Set(static_cast<uint32_t>(i), kernels[i]);
  return names;
}

Napi::Value UseKernelsOf(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), UseKernels(Text(info[0], "name")));
}

#ifdef GPT4ALL_TUNING
constexpr bool kHasTuning = true;
#else
constexpr bool kHasTuning = false;
#endif

// The file of this addon, so that a child process can load the same one; empty where Node does not know it.
std::string OwnFile(Napi::Env env) {
  const char* url = nullptr;
  return node_api_get_module_file_name(env, &url) == napi_ok && url != nullptr ? url : "";
}

// llama.cpp and ggml keep process-wide state; every environment of the process shares it.
void InstallOnce() {
  static const bool once = [] {
    InstallLog();
    ChatFormat::InstallLog();
    llama_backend_init();
    InstallMatmul();
    return true;
  }();
  (void)once;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InstallOnce();
  Environment::Install(env);
  exports.Set("file", OwnFile(env));
  exports.Set("llamaVersion", llama_version());
  exports.Set("systemInfo", llama_print_system_info());
  exports.Set("backends", Napi::Function::New<Backends>(env, "backends"));
  exports.Set("devices", Napi::Function::New<Devices>(env, "devices"));
  exports.Set("addRpcServer", Napi::Function::New<AddRpcServer>(env, "addRpcServer"));
  exports.Set("endWithParent", Napi::Function::New<EndWithParent>(env, "endWithParent"));
  exports.Set("startChild", Napi::Function::New<StartChild>(env, "startChild"));
  exports.Set("holdChild", Napi::Function::New<HoldChild>(env, "holdChild"));
  exports.Set("dropChild", Napi::Function::New<DropChild>(env, "dropChild"));
  exports.Set("hasTuning", kHasTuning);
  exports.Set("kernels", Napi::Function::New<KernelNames>(env, "kernels"));
  exports.Set("useKernels", Napi::Function::New<UseKernelsOf>(env, "useKernels"));
  exports.Set("Model", Model::Init(env));
  exports.Set("Context", Context::Init(env));
  exports.Set("Embedder", Embedder::Init(env));
  exports.Set("Sampler", Sampler::Init(env));
  exports.Set("ChatTemplate", ChatTemplate::Init(env));
  exports.Set("StringScan", StringScan::Init(env));
  exports.Set("TextFinder", TextFinder::Init(env));
  return exports;
}

}  // namespace

}  // namespace gpt4all

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  return gpt4all::Init(env, exports);
}

NODE_API_MODULE(gpt4all, Init)
