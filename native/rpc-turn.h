// ggml's RPC client notes for each device, without a lock, which graph the server has: of two contexts with
// threads of their own, one could have the other's graph computed. Source: ggml_backend_rpc_graph_compute.
#pragma once

#include <atomic>
#include <mutex>

namespace gpt4all {

inline std::atomic<bool> knows_rpc_servers{false};
inline std::mutex rpc_turn;

// Held while a graph is handed to the devices; empty if this process has no RPC servers.
inline std::unique_lock<std::mutex> RpcTurn() {
  return knows_rpc_servers ? std::unique_lock<std::mutex>(rpc_turn) : std::unique_lock<std::mutex>();
}

}  // namespace gpt4all
