import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import {
  ClosedError,
  ContextOverflowError,
  codeOf,
  DeviceError,
  DownloadError,
  GPT4AllError,
  isGPT4AllError,
  ModelError,
  messageOf,
  OutOfMemoryError,
  optionError,
  TemplateError,
} from '../../src/core/errors.ts'
import { nativeCode, translateFailure, translateLoadFailure } from '../../src/native/failures.ts'

describe('every error class', () => {
  const cause = new Error('cause')
  test.each<[string, GPT4AllError, string]>([
    ['GPT4AllError', new GPT4AllError('ERR_DECODE', 'message', { cause }), 'ERR_DECODE'],
    ['ModelError', new ModelError('ERR_NOT_GGUF', 'message', 'path', { cause }), 'ERR_NOT_GGUF'],
    ['ClosedError', new ClosedError('The model', { cause }), 'ERR_CLOSED'],
    ['TemplateError', new TemplateError('message', { cause }), 'ERR_TEMPLATE'],
    ['OutOfMemoryError', new OutOfMemoryError('message', { cause }), 'ERR_MEMORY'],
    ['DeviceError', new DeviceError([{ device: 'gpu', reason: 'none' }], ['CPU'], { cause }), 'ERR_DEVICE'],
    ['ContextOverflowError', new ContextOverflowError(3000, 2048, 2044), 'ERR_CONTEXT_OVERFLOW'],
  ])('%s has its name, its code, a message and a stack', (name, error, code) => {
    expect(error).toBeInstanceOf(GPT4AllError)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name, code })
    expect(error.message).not.toBe('')
    expect(error.stack).toContain(name)
    if (name !== 'ContextOverflowError') expect(error.cause).toBe(cause)
    expect(isGPT4AllError(error)).toBe(true)
  })

  test('a ModelError has the path, a ContextOverflowError its numbers', () => {
    expect(new ModelError('ERR_NOT_GGUF', 'message', '/a/b')).toMatchObject({ path: '/a/b' })
    const overflow = new ContextOverflowError(3000, 2048, 2044)
    expect(overflow).toMatchObject({
      promptTokens: 3000,
      contextSize: 2048,
      maxPromptTokens: 2044,
      isEstimated: false,
    })
    for (const number of ['3000', '2048', '2044']) expect(overflow.message).toContain(number)
  })

  test('a DownloadError does not print its internal fields', () => {
    const error = new DownloadError('message', { url: 'http://host/', retry: true, retryAfterMs: 7 })
    expect(error).toMatchObject({ retry: true, retryAfterMs: 7 })
    expect(inspect(error)).toContain('http://host/')
    expect(inspect(error)).not.toContain('retry')
    expect(JSON.stringify(error)).not.toContain('retry')
  })

  test('an error without a cause has no property cause', () => {
    expect('cause' in new ClosedError('The model')).toBe(false)
  })
})

test('every use of a closed model fails with an error that says so', () => {
  for (const what of ['The model', 'Tokenizing', 'Rendering'])
    expect(translateFailure(Object.assign(new Error('closed'), { code: 'ERR_CLOSED' }), what)).toMatchObject({
      name: 'ClosedError',
      message: 'The model is closed.',
    })
})

test('messageOf() and codeOf() accept any thrown value', () => {
  const failure = Object.assign(new Error('its words'), { code: 'ENOENT' })
  expect([messageOf(failure), codeOf(failure)]).toEqual(['its words', 'ENOENT'])
  const foreign = runInNewContext("Object.assign(new Error('far away'), { code: 3 })")
  expect([messageOf(foreign), codeOf(foreign)]).toEqual(['far away', undefined])
  for (const [thrown, said] of [
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
  ])
    expect([messageOf(thrown), codeOf(thrown)]).toEqual([said, undefined])
})

describe('optionError()', () => {
  test('may give a reason', () => {
    expect(optionError('model', 'the name of a file', 'a/nul', 'where "nul" is a device').message).toBe(
      'Expected the name of a file for "model" but received "a/nul" (string), where "nul" is a device.',
    )
  })

  test.each<[unknown, string]>([
    ['text', '"text" (string)'],
    [null, 'null'],
    [undefined, 'undefined (undefined)'],
    [[1, 2], 'an array of 2'],
    [{}, 'an object (Object)'],
    [Object.create(null), 'an object (Object)'],
    [new Map(), 'an object (Map)'],
    [() => 1, '(function)'],
    [1n, '1 (bigint)'],
    [Symbol('one'), 'Symbol(one) (symbol)'],
    [true, 'true (boolean)'],
    [3, '3 (number)'],
  ])('describes the received value: %s', (received, told) => {
    const error = optionError('topK', 'a string', received)
    expect(error).toBeInstanceOf(TypeError)
    expect(error).toMatchObject({ code: 'ERR_OPTION', option: 'topK' })
    expect(error.message).toMatch(/^Expected a string for "topK" but received .*\.$/)
    expect(error.message).toContain(told)
  })

  test('a number out of range is a RangeError', () => {
    expect(optionError('topK', 'an integer of at least 0', -1)).toBeInstanceOf(RangeError)
    expect(optionError('temp', 'a finite number', NaN)).toBeInstanceOf(RangeError)
    expect(optionError('temp', 'a finite number', '1')).toBeInstanceOf(TypeError)
    expect(optionError('stop', 'a non-empty string', 3)).toBeInstanceOf(TypeError)
  })

  test('long text is cut', () => {
    expect(optionError('name', 'a string', 'x'.repeat(10_000)).message.length).toBeLessThan(150)
  })
})

describe('isGPT4AllError()', () => {
  test('recognises errors of the library, also of another copy of it', () => {
    expect(isGPT4AllError(optionError('a', 'b', 3))).toBe(true)
    const brand = Symbol.for('gpt4all-ts.error')
    expect(isGPT4AllError(runInNewContext('Object.assign(new Error(), { [brand]: true })', { brand }))).toBe(
      true,
    )
  })

  test('recognises no other errors', () => {
    for (const other of [
      new Error('x'),
      new TypeError('x'),
      { code: 'ERR_OPTION' },
      null,
      undefined,
      3,
      'ERR_OPTION',
    ]) {
      expect(isGPT4AllError(other)).toBe(false)
    }
  })
})

describe('errors of the addon', () => {
  const native = (code: string, message = 'its words') => Object.assign(new Error(message), { code })

  test.each([
    ['ERR_CLOSED', 'ERR_CLOSED', ClosedError],
    ['ERR_MEMORY', 'ERR_MEMORY', OutOfMemoryError],
    ['ERR_TEMPLATE', 'ERR_TEMPLATE', TemplateError],
    ['ERR_ABORTED', 'ERR_ABORTED', GPT4AllError],
    ['ERR_DECODE', 'ERR_DECODE', GPT4AllError],
    ['ERR_CONTEXT_FULL', 'ERR_DECODE', GPT4AllError],
    ['ERR_CANNOT_ROLL_BACK', 'ERR_DECODE', GPT4AllError],
    ['ERR_STATE', 'ERR_DECODE', GPT4AllError],
    ['ERR_LOAD', 'ERR_MODEL_LOAD', GPT4AllError],
  ])('%s becomes %s', (from, code, Class) => {
    const cause = native(from)
    expect(nativeCode(cause)).toBe(from)
    const error = translateFailure(cause, 'The model')
    expect(error).toBeInstanceOf(Class)
    expect(error).toMatchObject({ code, cause })
  })

  test('say if llama.cpp refused a context', () => {
    const error = translateFailure(native('ERR_LOAD'), 'A context of 2048 tokens (nCtx)')
    expect(error).toMatchObject({
      code: 'ERR_MODEL_LOAD',
      message: 'A context of 2048 tokens (nCtx) cannot be made: its words',
    })
  })

  test('of other kinds pass through unchanged', () => {
    for (const other of [
      new ClosedError('The model'),
      new Error('x'),
      native('ERR_ARGUMENT'),
      'text',
      undefined,
    ]) {
      expect(translateFailure(other, 'The model')).toBe(other)
    }
  })

  test('name the file that llama.cpp refused, and the architecture it does not know', () => {
    const unknown = translateLoadFailure(
      native('ERR_LOAD', "error: unknown model architecture: 'abc'; failed"),
      '/m.gguf',
    )
    expect(unknown).toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED', path: '/m.gguf' })
    expect((unknown as Error).message).toContain('"abc"')
    expect(translateLoadFailure(native('ERR_LOAD'), '/m.gguf')).toMatchObject({
      code: 'ERR_MODEL_LOAD',
      path: '/m.gguf',
    })
    expect(translateLoadFailure(native('ERR_MEMORY'), '/m.gguf')).toMatchObject({ code: 'ERR_MEMORY' })
  })
})
