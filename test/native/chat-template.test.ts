import { describe, expect, test } from 'vitest'
import type { NativeChatMessage } from '../../src/native/contract.ts'
import { binding, openModel } from '../support/native-models.ts'

const chat: NativeChatMessage[] = [
  { role: 'system', content: 'Be kind.' },
  { role: 'user', content: 'Hello' },
]

function renderWith(source: string, messages = chat, enableThinking = true) {
  const template = new binding.ChatTemplate(undefined, source)
  return template.render({ messages, addGenerationPrompt: true, enableThinking })
}

describe('ChatTemplate', () => {
  test("renders the model's own template, or any other", async () => {
    const model = await openModel()
    const own = new binding.ChatTemplate(model, undefined)
    const { prompt } = own.render({ messages: chat, addGenerationPrompt: true, enableThinking: true })
    expect(prompt).toBe(
      '<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n',
    )
    expect(
      renderWith("{% for m in messages %}{{ m.role + ': ' + m.content + ';' }}{% endfor %}").prompt,
    ).toBe('system: Be kind.;user: Hello;')
    expect(() => new binding.ChatTemplate(undefined, undefined)).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    )
  })

  test.each([
    ['one\n{% if %}', 'line 2, column 7: '],
    ['{% for x in y %}\n\nfoo', 'line 2, column 1: Expected {% endfor'],
    ['a\nb\n{{ 1 +* 2 }}', 'line 3, column 7: '],
    ['a\n{{ "x\\N{DASH}" }}', 'line 2, column 6: this escape is not implemented'],
    ['\n\n{# never closed', 'line 3, column 1: missing end of comment tag'],
    [`${'ä\n'.repeat(40)}{{ "\\x4" }}`, 'line 41, column 5: this escape is no character'],
    ['\n{% endfor %}', 'line 2, column 4: Unknown statement: endfor'],
    ["\n{{ raise_exception('no system') }}", 'line 2, column 19: no system'],
    ['{{ x | nofilter }}', "line 1, column 8: No filter named 'nofilter'"],
    ["{{ 'a' | regex_replace('x', 'y') }}", "line 1, column 10: No filter named 'regex_replace'"],
    ['{% for x in 3 %}{% endfor %}', 'line 1, column 4: '],
  ])('reports the line at which %j fails', (source, reason) => {
    expect(() => renderWith(source)).toThrow(
      expect.objectContaining({ code: 'ERR_TEMPLATE', message: expect.stringContaining(reason) }),
    )
  })

  test('splits a reply as the template says, whole or streamed', () => {
    const source =
      '{% for m in messages %}<|{{ m.role }}|>{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}'
    const rendered = renderWith(source)
    expect(rendered).toMatchObject({ splitsReply: true, thinkingStart: '<think>' })
    const output = '<think>\nLet me see.\n</think>\n\nIt is 5.'
    expect(rendered.parseReply(output, false)).toEqual({
      reasoning: 'Let me see.\n',
      content: 'It is 5.',
    })
    // Each beginning of the text tells a beginning of the whole story: no piece is ever taken back.
    for (let end = 0; end <= output.length; end++) {
      const { reasoning, content } = rendered.parseReply(output.slice(0, end), true)
      expect('Let me see.'.startsWith(reasoning.trimEnd())).toBe(true)
      expect('It is 5.'.startsWith(content)).toBe(true)
    }
    expect(renderWith(source, chat, false).generationPrompt).toContain('</think>')
  })

  test('renders even if its answers cannot be analysed', () => {
    const { prompt, splitsReply } = renderWith('{{ messages | tojson }}')
    expect(JSON.parse(prompt)).toMatchObject(chat)
    expect(splitsReply).toBe(false)
  })

  test('loses no text if llama.cpp takes it for the template of another model', () => {
    // By these marks it gives answers with thoughts to the template as lists of both.
    const source =
      '[SYSTEM_PROMPT]{% for m in messages %}{% if m.role == "assistant" %}{{ m.content if m.content is string else m.content[0].text }}</s>{% else %}[INST]{{ m.content if m.content is string else m.content[0].text }}[/INST]{% endif %}{% endfor %}{# [TOOL_CALLS][ARGS] #}'
    const messages = [
      { role: 'user', content: 'How?' },
      { role: 'assistant', content: 'So.', reasoning: 'Let me see.' },
      { role: 'user', content: 'Why?' },
    ]
    const rendered = renderWith(source, messages)
    expect(rendered.prompt).toBe('[SYSTEM_PROMPT][INST]How?[/INST]So.</s>[INST]Why?[/INST]')
    expect(rendered.parseReply('Since.', false).content).toBe('Since.')
  })

  test('does not split replies if the template is plain', () => {
    expect(renderWith('{{ messages[0].content }}')).toMatchObject({ splitsReply: false, thinkingStart: '' })
  })

  test('throws ERR_ARGUMENT for wrong arguments', () => {
    const wrong = expect.objectContaining({ code: 'ERR_ARGUMENT' })
    const template = new binding.ChatTemplate(undefined, 'x')
    const whole = { messages: chat, addGenerationPrompt: true, enableThinking: true }
    for (const params of [
      undefined,
      {},
      { ...whole, messages: 'x' },
      { ...whole, messages: [1] },
      { ...whole, messages: [{ role: 'user' }] },
      { ...whole, messages: [{ role: 'user', content: 'x', reasoning: 1 }] },
      { ...whole, enableThinking: 1 },
      { ...whole, preserveReasoning: 'yes' },
    ]) {
      expect(() => template.render(params as never)).toThrow(wrong)
    }
    expect(() => template.render(whole).parseReply(1 as never, true)).toThrow(wrong)
    expect(() => new binding.ChatTemplate({} as never, 'x')).toThrow(wrong)
    expect(() => new binding.ChatTemplate(undefined, 1 as never)).toThrow(wrong)
  })
})
