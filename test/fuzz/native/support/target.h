// What targets share. Each is a file of its own with LLVMFuzzerTestOneInput() and Seeds().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "llama.h"

// What fuzzing begins with.
std::vector<std::string> Seeds();

// The tiny model of that name (test/support/tiny-models.ts), opened once.
llama_model* TinyModel(const std::string& name);

// A vocabulary that comes with llama.cpp, opened once.
const llama_vocab* Vocabulary(const std::string& name);

// A fault: ends the program as a crash does.
[[noreturn]] void Fault(const char* what);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
