import { isObject, type Json } from '../../client/index.js'

/** What can be said of a text before it is sent. */
export interface Check {
  /** bad: no JSON. doubtful: JSON, but the server will refuse or ignore it. */
  readonly verdict: 'good' | 'doubtful' | 'bad'
  readonly words: string
}

const TYPES = ['auth', 'message', 'command', 'event', 'presence', 'join', 'leave', 'close']

export function checkFrame (text: string): Check {
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch (error) {
    return { verdict: 'bad', words: `Not JSON: ${place((error as Error).message, text)}` }
  }
  if (!isObject(value)) return doubtful('no JSON object: the server will answer error 400')
  const { type, to, room } = value
  if (typeof type !== 'string') return doubtful('no string "type": the server will answer error 400')
  if (!TYPES.includes(type)) return doubtful(`the server knows no type "${type}" and will ignore it`)
  if (type === 'auth') return doubtful('a second auth: it only serves to give the server a new token')
  if (type === 'join' || type === 'leave') {
    return typeof room === 'string' && room !== '' ? good(`${type} ${room}`) : doubtful('no "room": the server will answer error 400')
  }
  if (type === 'close') return good('goodbye')
  const recipients = describeTo(to)
  return recipients === undefined
    ? doubtful('"to" is neither a name nor an array of rooms: the server will answer error 400')
    : good(`${type} to ${recipients}`)
}

/** To whom a frame goes, in words; undefined where the server will not have it. */
export function describeTo (to: Json | undefined): string | undefined {
  if (to === undefined || to === null) return 'everybody'
  if (typeof to === 'string') return to === '' ? undefined : to
  if (!Array.isArray(to) || !to.every(room => typeof room === 'string' && room !== '')) return undefined
  return to.length === 0 ? 'nobody' : to.join(', ')
}

function good (words: string): Check {
  return { verdict: 'good', words: `Valid: ${words}` }
}

function doubtful (words: string): Check {
  return { verdict: 'doubtful', words: `Valid JSON, but ${words}` }
}

/** Engines say it in their own ways: a position is turned into line and column. */
function place (message: string, text: string): string {
  const position = /at position (\d+)/.exec(message)?.[1]
  if (position === undefined || message.includes('line')) return message
  const before = text.slice(0, Number(position)).split('\n')
  return message.replace(/at position \d+/, `at line ${before.length}, column ${before.at(-1)!.length + 1}`)
}
