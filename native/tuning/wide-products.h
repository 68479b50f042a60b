#pragma once

// Which products matmul-wide.h computes: those of many columns, in steps of the thread pools that are named
// here. Elsewhere a result's bits may not depend on how many columns are computed with it.
#include <cstdint>

#include "matmul.h"

struct ggml_tensor;
struct ggml_threadpool;
struct llama_model;

namespace ggml::cpu {
class tensor_traits;
}

namespace gpt4all {

#ifdef GPT4ALL_MATMUL

// From now on, for a context of this model, which lives as long as the pool is not forgotten. Contexts of one
// model share what is packed.
void UseWideProducts(ggml_threadpool* pool, const llama_model* model);

// No more; the pool computes nothing meanwhile. Nothing if it was not named.
void ForgetWideProducts(const ggml_threadpool* pool);

bool ComputesWide(const ggml_threadpool* pool);

// What computes this operation in such a pool, and leaves it to ggml in others; null where it never does.
ggml::cpu::tensor_traits* WideTraits(const ggml_tensor& operation);
ggml::cpu::tensor_traits* WideGeluTraits(const ggml_tensor& operation);
ggml::cpu::tensor_traits* WideAttentionTraits(const ggml_tensor& operation);
ggml::cpu::tensor_traits* WideCastTraits(const ggml_tensor& operation);

#else

inline void UseWideProducts(ggml_threadpool*, const llama_model*) {
}

inline void ForgetWideProducts(const ggml_threadpool*) {
}

#endif

}  // namespace gpt4all
