import { parseArgs } from 'node:util'
import { scenarios } from './scenarios.js'
import { servers } from './servers.js'

const list = entries => entries.map(([name, text]) => `  ${name.padEnd(10)} ${text}`).join('\n')

const HELP = `Usage: npm run bench -- [options]

  --reps N            repetitions, of which medians are taken (3)
  --seconds N         measured in each run of messages (2)
  --scenarios a,b     only these
  --servers a,b       only these
  --out FILE          results as JSON (bench/results/latest.json)
  --profile           CPU profiles of the product, into bench/results/profiles
  --docs              writes docs/benchmarks.md and docs/benchmarks.svg
  --help              this

Servers:
${list(Object.entries(servers).map(([name, { title }]) => [name, title]))}

Scenarios:
${list(Object.entries(scenarios).map(([name, { about }]) => [name, about]))}
`

/** Reads the command line; on a mistake or `--help` it says so and ends the process. */
export function readOptions () {
  try {
    const { values } = parseArgs({
      options: {
        reps: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '2' },
        scenarios: { type: 'string', default: Object.keys(scenarios).join() },
        servers: { type: 'string', default: Object.keys(servers).join() },
        out: { type: 'string' },
        profile: { type: 'boolean', default: false },
        docs: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false }
      }
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    const names = pick('scenarios', values.scenarios, scenarios)
    return {
      ...values,
      reps: positive('reps', values.reps),
      seconds: positive('seconds', values.seconds),
      servers: pick('servers', values.servers, servers),
      scenarios: Object.fromEntries(names.map(name => [name, scenarios[name]]))
    }
  } catch (error) {
    process.stderr.write(`${error.message}\nTry --help.\n`)
    process.exit(2)
  }
}

function pick (option, text, known) {
  const names = text.split(',')
  for (const name of names) {
    if (!Object.hasOwn(known, name)) throw new Error(`--${option}: there is no ${name}`)
  }
  return names
}

function positive (option, text) {
  const number = Number(text)
  if (!(number > 0)) throw new Error(`--${option} must be a number greater than 0`)
  return number
}
