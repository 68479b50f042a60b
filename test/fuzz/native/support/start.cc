// Before the first input: llama.cpp keeps still, and FUZZ_SEEDS names the folder that the seeds are written to.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>

#include "target.h"

namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

llama_model* Open(const std::string& path, bool vocab_only) {
  static std::map<std::string, llama_model*> opened;
  llama_model*& model = opened[path];
  if (model != nullptr) return model;
  llama_model_params params = llama_model_default_params();
  params.vocab_only = vocab_only;
  model = llama_model_load_from_file(path.c_str(), params);
  if (model == nullptr) Fault(path.c_str());
  return model;
}

}  // namespace

llama_model* TinyModel(const std::string& name) {
  return Open(Variable("FUZZ_MODELS") + "/" + name + ".gguf", false);
}

const llama_vocab* Vocabulary(const std::string& name) {
  return llama_model_get_vocab(Open(Variable("FUZZ_VOCABULARIES") + "/ggml-vocab-" + name + ".gguf", true));
}

void Fault(const char* what) {
  std::fprintf(stderr, "FAULT: %s\n", what);
  std::abort();
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_backend_init();
  const std::string folder = Variable("FUZZ_SEEDS");
  if (folder.empty()) return 0;
  int count = 0;
  for (const std::string& seed : Seeds()) {
    std::ofstream(folder + "/seed-" + std::to_string(count++), std::ios::binary) << seed;
  }
  std::exit(0);
}
