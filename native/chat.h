// Rendering chat messages with a Jinja template, in llama.cpp's own engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

struct llama_model;

namespace gpt4all {

struct ChatMessage {
  std::string role;
  std::string content;
};

// Keeps the template parsed last: parsing analyses the template by rendering it several times.
class ChatTemplates {
 public:
  ChatTemplates();
  ~ChatTemplates();

  // `source` is Jinja; empty = the model's own. Throws Failure (ERR_TEMPLATE).
  std::string Render(const llama_model* model, const std::string& source,
                     const std::vector<ChatMessage>& messages, bool add_generation_prompt);
  void Clear();

  // Silences common's logger, which would print to stdout. Once per process.
  static void InstallLog();

 private:
  struct Parsed;
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace gpt4all
