import { closeReason, disconnection, MAX_CLOSE_REASON, type SympleError } from './errors.js'
import { isObject, plain, serialisedSize, type Json, type JsonObject } from './json.js'
import type { Limits } from './limits.js'
import { isAddressable, isName } from './protocol.js'

/** What is wrong with an argument that the application hands in. The message begins with its name. */
export class ArgumentError extends TypeError {
  /** @param argument its name, or that of the part which is wrong */
  constructor (readonly argument: string, problem: string) {
    super(`${argument} ${problem}`)
  }
}

// All of these throw an `ArgumentError`.

export function stringArgument (name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new ArgumentError(name, 'must be a non-empty string')
  return value
}

export function roomArgument (value: unknown, limits: Limits, name = 'room'): string {
  if (!isAddressable(value as Json, limits.maxNameLength)) throw new ArgumentError(name, `must be ${NAME} and without "|"`)
  return value as string
}

export function userArgument (value: unknown, limits: Limits): string {
  return roomArgument(value, limits, 'user')
}

export function nameArgument (value: unknown, limits: Limits): string {
  if (!isName(value as Json, limits.maxNameLength)) throw new ArgumentError('name', `must be ${NAME}`)
  return value as string
}

const NAME = 'a non-empty string, not too long, without control characters'

export function roomsArgument (value: unknown, limits: Limits): string[] {
  if (!Array.isArray(value)) throw new ArgumentError('rooms', 'must be an array of room names')
  return value.map(room => roomArgument(room, limits, 'each of rooms'))
}

/** @returns the object as JSON carries it */
export function dataArgument (value: unknown, limits: Limits): JsonObject {
  const data = objectArgument('data', value)
  if (serialisedSize(data) > limits.maxDataSize) throw new ArgumentError('data', `must not exceed ${limits.maxDataSize} bytes`)
  return data
}

/** @returns the message as JSON carries it */
export function messageArgument (value: unknown): JsonObject {
  const message = objectArgument('message', value)
  if (typeof message['type'] !== 'string') throw new ArgumentError('message', 'must have a string type')
  return message
}

/** Whom a message is for: an address, id, user or room, or an array of such. */
export function recipientsArgument (value: unknown): string | string[] {
  if (typeof value === 'string' && value !== '') return value
  if (Array.isArray(value) && value.every(name => typeof name === 'string' && name !== '')) return value as string[]
  throw new ArgumentError('to', 'must be a non-empty string or an array of such')
}

/** Why somebody is sent away; it has to fit into a close frame. */
export function reasonArgument (value: unknown): SympleError {
  if (value === undefined) return disconnection()
  if (typeof value !== 'string' || closeReason(value) !== value) {
    throw new ArgumentError('reason', `must be a string of at most ${MAX_CLOSE_REASON} bytes`)
  }
  return disconnection(value)
}

/** Entries of one page, and where it begins. */
export interface PageOptions {
  /** What the page before gave as its cursor. Default: the first page. */
  cursor?: string | null | undefined
  /** Entries of a page, at most 1000. Default: 100. */
  limit?: number | undefined
}

export const MAX_LIMIT = 1000

export function limitArgument (value: unknown = 100): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > MAX_LIMIT) {
    throw new ArgumentError('limit', `must be an integer from 1 to ${MAX_LIMIT}`)
  }
  return value as number
}

/** Where a list goes on: behind an entry, by what it is sorted by. */
export type Position = readonly string[]

export function encodeCursor (position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

/** @param length how many parts a position of this list has */
export function cursorArgument (value: unknown, length: number): Position | null {
  if (value === undefined || value === null) return null
  let position: unknown
  try {
    position = JSON.parse(Buffer.from(String(value), 'base64url').toString())
  } catch {}
  if (!Array.isArray(position) || position.length !== length || !position.every(part => typeof part === 'string')) {
    throw new ArgumentError('cursor', 'must be one that a page of this list gave')
  }
  return position as string[]
}

function objectArgument (name: string, value: unknown): JsonObject {
  const object = isObject(value as Json) ? plain(value) : undefined
  if (object === undefined) throw new ArgumentError(name, 'must be an object that can be JSON')
  return object
}
