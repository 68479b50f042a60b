// Prompts of an exact number of tokens. Each `variant` begins with another token, so that none finds the one
// before it in the cache.

const STARTS = 'The Once In When After Many Some People Every Long This Before Most At For During'.split(' ')
const TEXT =
  'the river comes down from the hills and turns slowly through the old town, where boats with vegetables, ' +
  'letters and bricks tie up below the bridge. Children count them from the wall, and the keeper of the lock ' +
  'writes each name into a book that his grandfather began. On market days the square is full before sunrise: '

/** A text that `model.generate()` sees as exactly `count` tokens. */
export async function promptOf(model, count, variant = 0) {
  const start = `${STARTS[variant % STARTS.length]} ${variant >= STARTS.length ? `${variant} ` : ''}`
  const words = start.split(' ').concat(TEXT.repeat(Math.ceil(count / 40) + 1).split(' '))
  const textOf = (length) => words.slice(0, length).join(' ')
  let [fits, over] = [0, words.length]
  while (over - fits > 1) {
    const middle = (fits + over) >> 1
    if ((await model.countTokens(textOf(middle))) <= count) fits = middle
    else over = middle
  }
  let text = textOf(fits)
  for (let missing = count - (await model.countTokens(text)); missing > 0; missing--) text += ' and'
  if ((await model.countTokens(text)) !== count)
    throw new Error(`no prompt of ${count} tokens for this model`)
  return text
}
