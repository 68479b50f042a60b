/** Checks of single options: each returns the value, `undefined` where none was given, or throws `ERR_OPTION`. */
import { optionError } from './errors.ts'

/** The largest number a 32-bit float holds: samplers compute with those. */
export const MAX_FLOAT = 3.4e38

export function checkObject(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw optionError(name, 'an object', value)
}

export function string(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value === '') throw optionError(name, 'a non-empty string', value)
  return value
}

export function boolean(name: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  throw optionError(name, 'true or false', value)
}

export function callable<T>(name: string, value: T | undefined): T | undefined {
  if (value === undefined || typeof value === 'function') return value
  throw optionError(name, 'a function', value)
}

export function number(name: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && value >= min && value <= max) return value
  const range = max === MAX_FLOAT ? `of at least ${min}` : `from ${min} to ${max}`
  throw optionError(name, `a finite number ${range}`, value)
}

export function integer(
  name: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number | undefined {
  if (value === undefined) return undefined
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw optionError(name, `an integer ${range}`, value)
}
