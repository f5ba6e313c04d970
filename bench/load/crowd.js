import { setTimeout as delay } from 'node:timers/promises'
import { Client } from './client.js'

const IN_FLIGHT = 100

/** Who become peers together: then what the others hear of them comes together too. */
const WAVE = 500

/** Milliseconds. */
const SILENCE = 300

/** Milliseconds in which something must come where more is due. */
const PATIENCE = 20_000

/** Peers in rooms of one size. */
export function roomsOf ({ peers, roomSize }, options) {
  return Array.from({ length: peers }, (_, i) => {
    const group = Math.floor(i / roomSize)
    return new Client({ ...options, group, slot: i % roomSize, room: roomName(group) })
  })
}

/** Of one length throughout: see `dialects`. */
export function roomName (number) {
  return `room-${String(number).padStart(4, '0')}`
}

/** Does something with each, so many at a time. */
export async function each (clients, action, inFlight = IN_FLIGHT) {
  let next = 0
  const work = async () => {
    while (next < clients.length) await action(clients[next++])
  }
  await Promise.all(Array.from({ length: Math.min(inFlight, clients.length) }, work))
}

/** Waits until a condition holds; false if it did not come to that in time. */
export async function until (condition, milliseconds) {
  const deadline = performance.now() + milliseconds
  while (!condition()) {
    if (performance.now() > deadline) return false
    await delay(5)
  }
  return true
}

/** Brings all online, and waits until everybody has heard of everybody else in the same room. */
export async function assemble (clients, inbox) {
  for (let first = 0; first < clients.length; first += WAVE) {
    const wave = clients.slice(first, first + WAVE)
    await each(wave, client => client.connect())
    await each(wave, client => client.authenticate(), WAVE)
  }
  const expected = pairs(clients)
  let presences
  do {
    presences = inbox.presences
    if (await until(() => inbox.presences >= expected, PATIENCE)) return
  } while (inbox.presences > presences)
  throw new Error(`${inbox.presences} presence frames came, where ${expected} were due`)
}

/** Waits until no presence has come for a while: what nodes tell each other has come too. */
export async function quiet (inbox) {
  let presences = -1
  while (presences !== inbox.presences) {
    presences = inbox.presences
    await delay(SILENCE)
  }
}

/** How many ordered pairs share a room. */
export function pairs (clients) {
  const sizes = new Map()
  for (const { room } of clients) sizes.set(room, (sizes.get(room) ?? 0) + 1)
  return [...sizes.values()].reduce((sum, size) => sum + size * (size - 1), 0)
}
