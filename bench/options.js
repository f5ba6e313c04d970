import { parseArgs } from 'node:util'
import { parts } from './parts.js'

const list = entries => entries.map(([name, text]) => `  ${name.padEnd(10)} ${text}`).join('\n')
const listOf = ({ title, servers, scenarios }) => `${title}:
${list(Object.entries(servers).map(([name, { title }]) => [name, title]))}

${list(Object.entries(scenarios).map(([name, { about }]) => [name, about]))}`

const HELP = `Usage: npm run bench -- [options]

  --reps N            repetitions, of which medians are taken (3)
  --seconds N         measured in each run of messages (2)
  --cluster           only two nodes on one Redis; needs redis-server
  --growth            only a thousand and ten thousand peers
  --scenarios a,b     only these, of the servers, or with --cluster or --growth of those
  --servers a,b       only these, in the same way
  --out FILE          results as JSON (bench/results/latest.json)
  --profile           CPU profiles of the product, into bench/results/profiles
  --docs              writes docs/benchmarks.md and docs/benchmarks.svg
  --help              this

${Object.values(parts).map(listOf).join('\n\n')}
`

/** Reads the command line; on a mistake or `--help` it says so and ends the process. */
export function readOptions () {
  try {
    const { values } = parseArgs({
      options: {
        reps: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '2' },
        cluster: { type: 'boolean', default: false },
        growth: { type: 'boolean', default: false },
        scenarios: { type: 'string' },
        servers: { type: 'string' },
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
    if (values.cluster && values.growth) throw new Error('--cluster and --growth are two things')
    if (values.docs && (values.cluster || values.growth)) {
      throw new Error('--docs is about everything: it can\'t be had with --cluster or --growth')
    }
    return {
      ...values,
      reps: positive('reps', values.reps),
      seconds: positive('seconds', values.seconds),
      parts: chosen(values)
    }
  } catch (error) {
    process.stderr.write(`${error.message}\nTry --help.\n`)
    process.exit(2)
  }
}

/** All parts, unless the command line asks for something of one of them. */
function chosen ({ cluster, growth, scenarios, servers }) {
  if (!cluster && !growth && scenarios === undefined && servers === undefined) return parts
  const name = cluster ? 'cluster' : growth ? 'growth' : 'servers'
  const part = parts[name]
  return {
    [name]: {
      ...part,
      scenarios: pick('scenarios', scenarios, part.scenarios),
      servers: pick('servers', servers, part.servers)
    }
  }
}

function pick (option, text, known) {
  if (text === undefined) return known
  return Object.fromEntries(text.split(',').map(name => {
    if (!Object.hasOwn(known, name)) throw new Error(`--${option}: there is no ${name}`)
    return [name, known[name]]
  }))
}

function positive (option, text) {
  const number = Number(text)
  if (!(number > 0)) throw new Error(`--${option} must be a number greater than 0`)
  return number
}
