import { optionError } from '../core/errors.ts'
import * as check from './checks.ts'

/** Reads the value of one option: checks it, and uses the default if there is none. */
export class Option<Value> {
  /** @throws {TypeError | RangeError} `ERR_OPTION` naming `name` */
  readonly read: (name: string, given: unknown) => Value

  constructor(read: (name: string, given: unknown) => Value) {
    this.read = read
  }

  default<Default>(value: Default): Option<Exclude<Value, undefined> | Default> {
    return new Option((name, given) => {
      const read = this.read(name, given)
      return read === undefined ? value : (read as Exclude<Value, undefined>)
    })
  }
}

export const string = () => new Option(check.string)
export const path = () => new Option(check.path)
export const boolean = () => new Option(check.boolean)
export const signal = () => new Option(check.abortSignal)
/** An integer of at least `min`, or `Infinity`. */
export const limit = (min = 0) => new Option((name, given) => check.limit(name, given, min))
export const callable = <F>() => new Option((name, given) => check.callable(name, given as F | undefined))
export const number = (min: number, max = check.MAX_FLOAT) =>
  new Option((name, given) => check.number(name, given, min, max))
export const integer = (min: number, max?: number) =>
  new Option((name, given) => check.integer(name, given, min, max))

export function oneOf<const Value>(...values: readonly Value[]): Option<Value | undefined> {
  return new Option((name, given) => {
    if (given === undefined || values.includes(given as Value)) return given as Value | undefined
    const shown = values.map((value) => JSON.stringify(value))
    throw optionError(name, [shown.slice(0, -1).join(', '), shown.at(-1)].join(' or '), given)
  })
}

/** One option for each name, no more and no fewer. */
type TableOf<Given> = { readonly [Name in keyof Required<Given>]: Option<unknown> }

/** The type that a group of options is read into. */
export type Resolved<Group> =
  Group extends OptionGroup<object, infer Table>
    ? { readonly [Name in keyof Table]: Table[Name] extends Option<infer Value> ? Value : never }
    : never

/** Options that are given together, in one object. */
class OptionGroup<Given extends object, Table extends TableOf<Given>> {
  readonly table: Table
  readonly #elsewhere: Readonly<Record<string, string>>

  constructor(table: Table, elsewhere: Readonly<Record<string, string>>) {
    this.table = table
    this.#elsewhere = elsewhere
  }

  /**
   * Every option of the group, checked, with its default.
   * @throws {TypeError | RangeError} `ERR_OPTION` for something other than an object, an unknown option, or a
   * bad value
   */
  resolve(given: Given | undefined, name = 'options'): Resolved<this> {
    const options = given === undefined ? {} : given
    check.checkObject(name, options)
    check.checkKnown(options, Object.keys(this.table), this.#elsewhere)
    const prefix = name === 'options' ? '' : `${name}.`
    const entries = Object.entries<Option<unknown>>(this.table).map(([option, { read }]) => {
      return [option, read(prefix + option, options[option as keyof typeof options])]
    })
    return Object.fromEntries(entries) as Resolved<this>
  }
}

/**
 * A group of options: one table defines checks, defaults, known names and the resolved type. `elsewhere` has
 * options of other calls, with a sentence on where they belong.
 */
export function define<Given extends object>() {
  return <Table extends TableOf<Given>>(table: Table, elsewhere: Readonly<Record<string, string>> = {}) =>
    new OptionGroup<Given, Table>(table, elsewhere)
}
