// What chat and reply-grammar use of llama.cpp's common/.
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
