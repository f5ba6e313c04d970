/** What `JSON.parse` returns, as a type: the core knows no `any`. */
export type Json = null | boolean | number | string | Json[] | JsonObject

/** An object of it. */
export interface JsonObject { [key: string]: Json }

export function isObject (value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The size of a value in bytes of UTF-8, as it would go over the wire. */
export function serialisedSize (value: Json): number {
  return Buffer.byteLength(JSON.stringify(value))
}

/**
 * Objects and arrays inside one another, in what others wrote. `JSON.parse` takes any number, `JSON.stringify` ends at
 * some thousands, and the parsers of some clients earlier.
 */
export const MAX_DEPTH = 512

/** Whether there are no more than `depth` objects and arrays inside one another. */
export function isNestedWithin (value: Json, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return depth > 0 && Object.values(value).every(inner => isNestedWithin(inner, depth - 1))
}

/** An object as JSON carries it; undefined for what is none, or can't be. */
export function plain (value: unknown): JsonObject | undefined {
  try {
    const copy = JSON.parse(JSON.stringify(value) ?? 'null') as Json
    return isObject(copy) && isNestedWithin(copy, MAX_DEPTH) ? copy : undefined
  } catch {
    return undefined
  }
}
