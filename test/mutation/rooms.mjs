/**
 * The rooms of `src/` whose tests are tried with mutants, each with the files that are changed and those of the
 * tests that know them. A test that runs the library in another process sees no mutant, and is not worth its time.
 */
export const ROOMS = {
  generation: {
    mutate: ['src/generation/**/*.ts'],
    tests: [
      'test/unit/{reply,stop,stopwatch,stream-interval,text,transcript}.test.ts',
      'test/api/{chat,generate,logprobs,parallel,prompt-progress,reasoning,runs}.test.ts',
    ],
  },
  chat: {
    mutate: ['src/chat/**/*.ts'],
    tests: [
      'test/unit/{protect,record}.test.ts',
      'test/api/{chat,loops,message-order,overflow,prompts,reasoning,saved,strangers-sessions}.test.ts',
      'test/api/{template-limits,templates}.test.ts',
    ],
  },
  download: {
    mutate: ['src/models/download/**/*.ts'],
    tests: [
      'test/unit/{address,address-guard,read-buffers}.test.ts',
      'test/api/{download,download-answers,download-places,mirrors}.test.ts',
    ],
  },
  hub: {
    mutate: ['src/models/hub/**/*.ts'],
    tests: ['test/unit/hub-names.test.ts', 'test/api/{hub,hub-access}.test.ts'],
  },
  gguf: {
    mutate: ['src/models/gguf/**/*.ts'],
    tests: [
      'test/unit/{file-risks,gguf,gguf-architectures,gguf-holes}.test.ts',
      'test/api/{describe,local-models,memory,old-files}.test.ts',
    ],
  },
  server: {
    mutate: ['src/server/{guard,patterns}.ts', 'src/server/api/**/*.ts'],
    tests: ['test/unit/{address,patterns,request-messages}.test.ts', 'test/server/*.test.ts'],
  },
  options: {
    mutate: ['src/options/**/*.ts'],
    tests: [
      'test/unit/{define,option-tables,options,suggest}.test.ts',
      'test/api/{doors,foreign-values,generate,open}.test.ts',
      'test/server/doors.test.ts',
    ],
  },
}
