// llama.cpp's common/, which chat, reply-grammar and jinja/engine alone include.
#pragma once

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"  // theirs: statics in headers
#endif
#include "common/chat.h"
#include "common/log.h"
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
