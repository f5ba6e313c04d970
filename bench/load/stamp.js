// Stamps say where a frame came from without a parser: fixed-width digits behind a mark that occurs nowhere else.
//
//   message: @M, group (4), slot (4), sequence (8), in the field `data`
//   peer:    @P, group (4), slot (4), in the field `name`, so that presence frames carry it

/** `x`, which fills a message up. */
export const FILLING = 0x78

const AT = 0x40
const MESSAGE = 0x4d
const PEER = 0x50

const GROUP = 2
const SLOT = 6
const SEQUENCE = 10
const SEQUENCE_DIGITS = 8
const SIZE = SEQUENCE + SEQUENCE_DIGITS

const digits = (number, width) => String(number).padStart(width, '0')

export function peerStamp (group, slot) {
  return `@P${digits(group, 4)}${digits(slot, 4)}`
}

/** The `data` of a message: a stamp whose sequence is still 0, filled up to a size. */
export function messageStamp (group, slot, bytes) {
  return `@M${digits(group, 4)}${digits(slot, 4)}${digits(0, SEQUENCE_DIGITS)}`.padEnd(Math.max(bytes, SIZE), 'x')
}

/** Writes the sequence into a stamp at that place. */
export function writeSequence (buffer, at, sequence) {
  let rest = sequence
  for (let i = at + SIZE - 1; i >= at + SEQUENCE; i--) {
    buffer[i] = 0x30 + rest % 10
    rest = Math.floor(rest / 10)
  }
}

const number = (buffer, from, width) => {
  let value = 0
  for (let i = from; i < from + width; i++) value = value * 10 + buffer[i] - 0x30
  return value
}

export const groupAt = (buffer, at) => number(buffer, at + GROUP, 4)
export const slotAt = (buffer, at) => number(buffer, at + SLOT, 4)
export const sequenceAt = (buffer, at) => number(buffer, at + SEQUENCE, SEQUENCE_DIGITS)
export const isMessage = (buffer, at) => buffer[at + 1] === MESSAGE

/** Finds stamps. Frames of one kind have theirs at the same distance from the end, so that is tried first. */
export class StampFinder {
  #messageDistance = 0
  #peerDistance = 0

  /** Where the stamp of a payload begins; -1 where it has none. */
  find (buffer, start, end) {
    let at = end - this.#messageDistance
    if (at >= start && at < end && buffer[at] === AT && buffer[at + 1] === MESSAGE) return at
    at = end - this.#peerDistance
    if (at >= start && at < end && buffer[at] === AT && buffer[at + 1] === PEER) return at
    return this.#search(buffer, start, end)
  }

  #search (buffer, start, end) {
    for (let at = start; at < end - 1; at++) {
      if (buffer[at] !== AT) continue
      if (buffer[at + 1] === MESSAGE) {
        this.#messageDistance = end - at
        return at
      }
      if (buffer[at + 1] === PEER) {
        this.#peerDistance = end - at
        return at
      }
    }
    return -1
  }
}
