#include "rpc-servers.h"

#include <mutex>

#include "args.h"
#include "rpc-turn.h"

namespace gpt4all {

namespace {

using AddServer = ggml_backend_reg_t (*)(const char*);

std::mutex mutex;
std::vector<ggml_backend_reg_t> servers;  // never freed, as those of ggml

AddServer FindAddServer() {
  ggml_backend_reg_t rpc = ggml_backend_reg_by_name("RPC");
  if (rpc == nullptr) return nullptr;
  return reinterpret_cast<AddServer>(ggml_backend_reg_get_proc_address(rpc, "ggml_backend_rpc_add_server"));
}

std::vector<ggml_backend_dev_t> DevicesOf(ggml_backend_reg_t server) {
  std::vector<ggml_backend_dev_t> devices;
  for (size_t i = 0; i < ggml_backend_reg_dev_count(server); i++) {
    devices.push_back(ggml_backend_reg_dev_get(server, i));
  }
  return devices;
}

}  // namespace

Napi::Value AddRpcServer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string endpoint = Text(info[0], "endpoint");
  const AddServer add = FindAddServer();
  if (add == nullptr)
    throw MakeError(env, "ERR_LOAD", "this build of the addon is without RPC (GPT4ALL_RPC)");
  ggml_backend_reg_t server = add(endpoint.c_str());
  if (server == nullptr) throw MakeError(env, "ERR_LOAD", endpoint + " has no devices");
  {
    const std::lock_guard<std::mutex> lock(mutex);
    bool known = false;
    for (ggml_backend_reg_t other : servers) known = known || other == server;
    if (!known) servers.push_back(server);
    knows_rpc_servers = true;
  }
  Napi::Array names = Napi::Array::New(env);
  for (ggml_backend_dev_t device : DevicesOf(server)) {
    names.Set(names.Length(), ggml_backend_dev_name(device));
  }
  return names;
}

std::vector<ggml_backend_dev_t> RpcDevices() {
  const std::lock_guard<std::mutex> lock(mutex);
  std::vector<ggml_backend_dev_t> devices;
  for (ggml_backend_reg_t server : servers) {
    for (ggml_backend_dev_t device : DevicesOf(server)) devices.push_back(device);
  }
  return devices;
}

}  // namespace gpt4all
