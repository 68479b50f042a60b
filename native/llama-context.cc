#include "llama-context.h"

#include "tuning/wide-products.h"

namespace gpt4all {

LlamaContext::LlamaContext(const Weights& weights, const ContextShape& shape, ggml_abort_callback abort,
                           void* abort_data) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = shape.embeds ? shape.context_size : shape.context_size * shape.sequences;
  params.n_batch = shape.batch_size;
  params.n_ubatch = shape.micro_batch_size;
  params.n_seq_max = shape.sequences;
  params.n_outputs_max = shape.max_outputs;
  params.n_outputs_max_per_seq = 0;  // as many as n_outputs_max
  params.n_threads = shape.threads;
  params.n_threads_batch = shape.batch_threads;
  params.flash_attn_type = shape.flash_attention;
  params.type_k = shape.key_type;
  params.type_v = shape.value_type;
  params.abort_callback = abort;
  params.abort_callback_data = abort_data;
  // A conversation's attention walks its own cells only. Texts that are embedded share the cells of a batch.
  params.kv_unified = shape.embeds;
  params.embeddings = shape.embeds;
  params.pooling_type = shape.pooling;
  params.swa_full = true;  // so that sliding-window models can roll back as well
  params.no_perf = true;
  context = llama_init_from_model(weights.model, params);
  if (context == nullptr) return;
  std::vector<llama_adapter_lora*> adapters = weights.adapters;
  std::vector<float> scales = shape.adapter_scales;
  if (!adapters.empty()) llama_set_adapters_lora(context, adapters.data(), adapters.size(), scales.data());
  batch = std::make_unique<Batch>(static_cast<int32_t>(shape.batch_size));
  poll_ = shape.poll;
  embeds_ = shape.embeds;
  if (!shape.embeds) state_layout = std::make_unique<StateLayout>(context);
}

LlamaContext::~LlamaContext() {
  if (context != nullptr) llama_free(context);
  for (const auto& [size, pool] : pools_) {
    ForgetWideProducts(pool);
    ggml_threadpool_free(pool);
  }
}

// A pool for each count: it has no more threads than a step uses, as threads without work spin too. A pool
// that another one replaces sleeps; the backend still knows it, so it lives as long as the context.
ggml_threadpool* LlamaContext::Pool(int32_t size) {
  ggml_threadpool*& pool = pools_[size];
  if (pool == nullptr) {
    ggml_threadpool_params params = ggml_threadpool_params_default(size);
    params.poll = poll_;
    pool = ggml_threadpool_new(&params);
    if (embeds_) UseWideProducts(pool, llama_get_model(context));
  }
  return pool;
}

void LlamaContext::SetThreads(const ThreadPlan& plan) {
  if (plan.threads == threads_ && plan.batch_threads == batch_threads_) return;
  threads_ = plan.threads;
  batch_threads_ = plan.batch_threads;
  llama_set_n_threads(context, threads_, batch_threads_);
  llama_attach_threadpool(context, Pool(threads_), Pool(batch_threads_));
}

}  // namespace gpt4all
