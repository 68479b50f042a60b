// The ggml-rpc-servers that models of this process may use. They are kept here and not in ggml's own list of
// backends, which other threads read without a lock.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "ggml-backend.h"

namespace gpt4all {

// addRpcServer(endpoint): makes the server's devices known, once, and returns their names. Blocks until the
// server has answered; if it does not, or is no RPC server, ggml calls abort().
Napi::Value AddRpcServer(const Napi::CallbackInfo& info);

std::vector<ggml_backend_dev_t> RpcDevices();

}  // namespace gpt4all
