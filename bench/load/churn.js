import { setTimeout as delay } from 'node:timers/promises'
import { perCpuSecond, startMeter } from '../measure.js'
import { Client } from './client.js'
import { assemble, each, roomName, roomsOf } from './crowd.js'
import { Inbox } from './faults.js'

const WARM_UP = 0.7

/** The rooms of the movers come after those of the crowd. */
const OWN_ROOMS = 9000

/** One step after the other: a join, a leave, a join. Each is answered before the next is taken. */
class Mover extends Inbox {
  steps = 0
  #room
  #awaited = 'join'
  #moving = false

  constructor (room, faults) {
    super()
    this.#room = room
    this.faults = faults
  }

  start (client) {
    this.#moving = true
    this.#step(client)
  }

  stop () {
    this.#moving = false
  }

  unexpected (client, text) {
    const { type, room } = JSON.parse(text)
    if (type !== `${this.#awaited}:ok` || room !== this.#room) return super.unexpected(client, text)
    this.steps++
    this.#awaited = this.#awaited === 'join' ? 'leave' : 'join'
    if (this.#moving) this.#step(client)
  }

  #step (client) {
    client.say(JSON.stringify({ type: this.#awaited, room: this.#room }))
  }
}

/** What it costs to move between rooms, among peers who share none with those who move. */
export async function churn ({ scenario, port, dialect, pid, seconds }) {
  const { movers: count } = scenario
  const inbox = new Inbox()
  await assemble(roomsOf(scenario, { port, dialect, inbox }), inbox)
  const movers = Array.from({ length: count }, (_, i) => {
    const group = OWN_ROOMS + i
    const mover = new Mover(roomName(group + count), inbox.faults)
    return { mover, client: new Client({ port, dialect, inbox: mover, group, slot: 0, room: roomName(group) }) }
  })
  await each(movers, async ({ client }) => {
    await client.connect()
    await client.authenticate()
  })

  const steps = () => movers.reduce((sum, { mover }) => sum + mover.steps, 0)
  for (const { mover, client } of movers) mover.start(client)
  await delay(WARM_UP * 1000)
  const before = steps()
  const stopMeter = startMeter(pid)
  await delay(seconds * 1000)
  const usage = stopMeter()
  const taken = steps() - before
  for (const { mover } of movers) mover.stop()
  if (movers.some(({ mover }) => mover.steps === 0)) throw new Error('some could not move')

  return {
    faults: inbox.faults,
    figures: {
      perCpuSecond: perCpuSecond(taken, usage),
      perSecond: taken / usage.elapsed,
      loadShare: usage.loadShare
    }
  }
}
