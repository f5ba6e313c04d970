import fc from 'fast-check'
import { RawSocket, frame, upgradeRequest } from '../raw.js'
import { authOf, messageOf, type Names } from './messages.js'
import { framed, request, wireOf } from './wire.js'

/** Connections at a time. */
const AT_ONCE = 24

/** Visits that are made up at once. */
const BATCH = 48

/** How a client goes: says that it will say no more, or drops the connection. */
type End = 'fin' | 'reset'

/** What one connection does. */
interface Visit {
  /** How far it gets in good order before the inputs begin. */
  readonly stage: 'request' | 'upgraded' | 'entering' | 'online'
  /** The first frame, where there is one. */
  readonly auth: Buffer
  readonly inputs: readonly Buffer[]
  /** Whether the inputs come in one packet, with what precedes them where that is not waited for. */
  readonly joined: boolean
  readonly end: End
}

/** Random inputs over live connections. */
export class Fuzzer {
  readonly #port: number
  readonly #seed: number
  readonly #visits: fc.Arbitrary<Visit>
  /** Visits under way, for the report of a failure. */
  readonly #current = new Set<Visit>()
  /** How many inputs of each stage were sent. */
  readonly counts: Record<Visit['stage'], number> = { request: 0, upgraded: 0, entering: 0, online: 0 }

  constructor (port: number, seed: number, names: Names) {
    this.#port = port
    this.#seed = seed
    this.#visits = visitOf(names)
  }

  get total (): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0)
  }

  /** @throws where the server does not end a connection that its client has ended, or takes no more of them */
  async run (inputs: number): Promise<void> {
    for (let batch = 0; this.total < inputs; batch++) {
      const visits = fc.sample(this.#visits, { seed: this.#seed + batch, numRuns: BATCH })
      await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (let visit = visits.pop(); visit !== undefined; visit = visits.pop()) await this.#pay(visit)
      }))
    }
  }

  async #pay (visit: Visit): Promise<void> {
    this.#current.add(visit)
    const raw = new RawSocket(this.#port)
    try {
      await raw.connected()
      await perform(raw, visit)
      if (visit.end === 'reset') raw.reset()
      else raw.socket.end()
      await patient(raw.gone)
    } catch (error) {
      throw new Error(`${String(error)}\n${this.#report()}`, { cause: error })
    } finally {
      raw.socket.destroy()
      this.#current.delete(visit)
    }
    this.counts[visit.stage] += visit.inputs.length
  }

  #report (): string {
    const visits = Array.from(this.#current, ({ stage, auth, inputs, joined, end }) =>
      JSON.stringify({ stage, auth: String(auth), joined, end, inputs: inputs.map(input => input.toString('latin1').slice(0, 300)) }))
    return `Under way:\n${visits.join('\n')}\nAgain with SYMPLE_TEST_SEED=${this.#seed}`
  }
}

async function perform (raw: RawSocket, { stage, auth, inputs, joined }: Visit): Promise<void> {
  const before: Buffer[] = []
  if (stage !== 'request') {
    if (joined && stage !== 'online') before.push(Buffer.from(upgradeRequest()))
    else await raw.upgrade()
  }
  if (stage === 'entering') before.push(frame(auth))
  if (stage === 'online') {
    raw.write(frame(auth))
    await raw.until('"type":"welcome"')
  }
  if (joined) return raw.write(Buffer.concat([...before, ...inputs]))
  for (const input of [...before, ...inputs]) {
    raw.write(input)
    // A packet of its own.
    await new Promise(resolve => { setImmediate(resolve) })
  }
}

function visitOf (names: Names): fc.Arbitrary<Visit> {
  const message = messageOf(names)
  const wire = wireOf(message)
  const some = (input: fc.Arbitrary<Buffer>, maxLength: number) => fc.array(input, { minLength: 1, maxLength, size: 'max' })
  const visit = (stage: Visit['stage'], inputs: fc.Arbitrary<Buffer[]>): fc.Arbitrary<Visit> => fc.record({
    stage: fc.constant(stage),
    auth: authOf(names),
    inputs,
    joined: fc.boolean(),
    end: fc.constantFrom<End>('fin', 'fin', 'fin', 'reset')
  })
  // What breaks the framing ends the connection: it comes last.
  const talk = (maxLength: number) =>
    fc.tuple(some(framed(message), maxLength), fc.oneof(fc.constant([]), some(wire, 2))).map(inputs => inputs.flat())
  return fc.oneof(
    { weight: 4, arbitrary: visit('request', some(request, 2)) },
    { weight: 6, arbitrary: visit('upgraded', fc.oneof(some(wire, 3), some(framed(message), 2))) },
    { weight: 2, arbitrary: visit('entering', talk(8)) },
    { weight: 3, arbitrary: visit('online', talk(25)) }
  )
}

async function patient (done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error('the server does not end a connection that its client has ended')) }, 20_000)
  })
  await Promise.race([done, late]).finally(() => { clearTimeout(timer) })
}
