// What the server promises about those who mean it no good, measured: what they cost, and what others feel of them.
import { parseArgs } from 'node:util'
import { flood } from './flood.js'
import { stuck } from './stuck.js'

const HELP = `Usage: npm run bench:abuse -- [options]

  --connections N     that never authenticate (50000)
  --batch N           of them opened at a time (250)
  --limit N           SYMPLE_MAX_UNAUTHENTICATED (5000)
  --readers N         in the room with the one that does not read (1000)
  --only flood|stuck  one of the two
  --help              this
`

const { connections, batch, limit, readers, only, help } = options()
if (help) {
  process.stdout.write(HELP)
} else {
  const shows = { flood: () => flood({ connections, batch, limit }), stuck: () => stuck({ readers }) }
  let held = true
  for (const [name, show] of Object.entries(shows)) {
    if (only !== undefined && only !== name) continue
    process.stdout.write(`${name}\n`)
    for (const { what, value, ok } of await show()) {
      process.stdout.write(`  ${ok === undefined ? '      ' : ok ? 'ok    ' : 'FAILED'}  ${what}: ${value}\n`)
      held &&= ok !== false
    }
  }
  process.exitCode = held ? 0 : 1
}

function options () {
  try {
    const number = value => ({ type: 'string', default: String(value) })
    const { values } = parseArgs({
      options: {
        connections: number(50_000),
        batch: number(250),
        limit: number(5000),
        readers: number(1000),
        only: { type: 'string' },
        help: { type: 'boolean', default: false }
      }
    })
    if (![undefined, 'flood', 'stuck'].includes(values.only)) throw new Error(`--only: there is no ${values.only}`)
    const numbers = Object.fromEntries(['connections', 'batch', 'limit', 'readers'].map(name => {
      const number = Number(values[name])
      if (!Number.isInteger(number) || number < 1) throw new Error(`--${name} must be a whole number above 0`)
      return [name, number]
    }))
    return { ...values, ...numbers }
  } catch (error) {
    process.stderr.write(`${error.message}\nTry --help.\n`)
    process.exit(2)
  }
}
