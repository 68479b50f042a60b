// English texts to embed, the same on every machine: sentences put together from parts, no two texts alike.

const PLACES = `the harbour|a small village in the mountains|the old library|our laboratory in Zurich|the railway station|a hospital near the coast|the university of Edinburgh|the northern provinces|a warehouse outside Rotterdam|the city council|the botanical garden|a vineyard in Tuscany|the emergency department|the observatory|an orphanage in Kathmandu`
const PEOPLE = `the engineers|a retired schoolteacher|Dr. Okonkwo|the finance committee|most of the passengers|an anonymous whistleblower|my grandmother|the apprentice electrician|several microbiologists|the night shift|our insurance broker|Professor Lindqvist|the youngest of the three brothers|a freelance photographer|the customs officers|two independent auditors`
const ACTS = `repaired|questioned|photographed|dismantled|recommended|translated|postponed|inherited|catalogued|underestimated|financed|rediscovered|negotiated|inspected|published|withdrew`
const THINGS = `the hydraulic pump|an unusually detailed map|the quarterly report|a shipment of antibiotics|the timetable for winter|seventeen handwritten letters|the software update|a collection of fossils|the new irrigation system|the mortgage agreement|a recipe for rye bread|the turbine blades|an experimental vaccine|the municipal budget|a portrait of the founder|the encryption keys`
const WHENS = `last Thursday|before the storm arrived|in the spring of 1987|after a lengthy discussion|at half past six in the morning|during the second inspection|within forty-eight hours|long after everybody had left|on the first day of the trial|while the generator was being refuelled|every other weekend|shortly before the deadline`
const WHYS = `because the warranty had expired|so that nobody would have to travel at night|although the results were far from conclusive|since the previous contractor had gone bankrupt|in order to reduce the consumption of electricity|which surprised even the most experienced members|despite the objections of the neighbours|as the weather forecast had been wrong again|to the great relief of the shareholders|provided that the temperature stays below 25 degrees`
const OPENERS = `According to the minutes,|To everyone's astonishment,|As far as we know,|In hindsight,|For the third time this year,|Contrary to what the newspapers wrote,|Strictly speaking,|Meanwhile,|By the time help came,|On closer examination,`
const [places, people, acts, things, whens, whys, openers] = [
  ...[PLACES, PEOPLE, ACTS, THINGS, WHENS, WHYS, OPENERS],
].map((parts) => parts.split('|'))

/** `count` texts of `least` to `most` words. */
export function textsOf({ count, least, most, seed = 1 }) {
  const next = generator(seed)
  const pick = (parts) => parts[Math.floor(next() * parts.length)]
  const sentence = () => {
    const order = Math.floor(next() * 4)
    const core = `${pick(people)} ${pick(acts)} ${pick(things)}`
    if (order === 0) return `${pick(openers)} ${core} at ${pick(places)} ${pick(whens)}.`
    if (order === 1) return `${capital(core)} ${pick(whens)}, ${pick(whys)}.`
    if (order === 2) return `${capital(pick(people))} and ${core} near ${pick(places)}, ${pick(whys)}.`
    return `Invoice ${Math.floor(next() * 1e5)} says that ${core} for ${Math.floor(next() * 900)} euros.`
  }
  return Array.from({ length: count }, () => {
    const length = least + Math.floor(next() * (most - least + 1))
    const words = []
    while (words.length < length) words.push(...sentence().split(' '))
    return words.slice(0, length).join(' ')
  })
}

const capital = (text) => text[0].toUpperCase() + text.slice(1)

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function generator(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32
  }
}
