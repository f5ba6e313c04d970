import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import WebSocket from 'ws'

/** Milliseconds between two round trips, and between two who come. */
const PAUSE = 5
const BETWEEN_NEWCOMERS = 100

/** Milliseconds after which somebody who waits gives up. */
const PATIENCE = 5000

/** Comes in. @returns the WebSocket of a peer; rejects where it is kept out */
export async function enter (port, user, rooms) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`)
  const patience = { signal: AbortSignal.timeout(PATIENCE) }
  await once(ws, 'open', patience)
  ws.send(JSON.stringify({ type: 'auth', user, rooms }))
  const [data] = await once(ws, 'message', patience)
  ws.on('error', () => {})
  const { type, peer } = JSON.parse(data)
  if (type === 'welcome') return Object.assign(ws, { peer })
  ws.terminate()
  throw new Error(String(data))
}

/** Two peers who write to each other. */
export class Pair {
  #asking
  #answering
  #answered = () => {}

  async enter (port) {
    this.#asking = await enter(port, 'asking', ['pair'])
    this.#answering = await enter(port, 'answering', ['pair'])
    this.#answering.on('message', text => { if (isMessage(text)) this.#answering.send(message('asking')) })
    this.#asking.on('message', text => { if (isMessage(text)) this.#answered() })
  }

  /** Milliseconds that each round trip took, until something is over. */
  async roundTrips (until) {
    const times = []
    await during(until, PAUSE, async () => {
      const began = performance.now()
      const answer = new Promise(resolve => { this.#answered = resolve })
      this.#asking.send(message('answering'))
      await Promise.race([answer, delay(PATIENCE, undefined, { ref: false })])
      times.push(performance.now() - began)
    })
    return times
  }

  leave () {
    for (const ws of [this.#asking, this.#answering]) ws.terminate()
  }
}

/** Others who come in, one by one, until something is over. @returns how long each took, and how many were kept out */
export async function newcomers (port, until) {
  const times = []
  let keptOut = 0
  await during(until, BETWEEN_NEWCOMERS, async () => {
    const began = performance.now()
    try {
      const ws = await enter(port, 'newcomer', [])
      times.push(performance.now() - began)
      ws.terminate()
    } catch {
      keptOut++
    }
  })
  return { times, keptOut }
}

/** Does something again and again until something else is over. */
async function during (until, pause, step) {
  const over = Symbol('over')
  do await step()
  while (await Promise.race([until.then(() => over), delay(pause)]) !== over)
}

function isMessage (text) {
  return String(text).includes('"message"')
}

function message (to) {
  return JSON.stringify({ type: 'message', to, data: 'x'.repeat(50) })
}
