import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { UNDECIDED } from '../plugins/config-warnings.js'
import { schema } from '../plugins/schema.js'
import type { VariableSchema } from '../plugins/settings.js'
import type { ServerOptions } from './options.js'
import { readOptions } from './read-options.js'

/** Arguments that mean nothing here. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What a command line asks for: a text, perhaps with warnings, or a server. */
export type Order = { print: string, warnings?: readonly string[] } | { options: ServerOptions }

const SCHEMAS = Object.entries<VariableSchema>(schema.properties)

/** @throws UsageError, or a ConfigError where the configuration is to be checked and can't be honoured */
export async function readCommandLine (args: string[]): Promise<Order> {
  const { help, version, port, host, 'check-config': check } = parse(args)
  if (help) return { print: helpText() }
  if (version) return { print: `${packageVersion()}\n` }
  const options: ServerOptions = { host, port: port === undefined ? undefined : portOf(port) }
  return check ? await checkConfig(options) : { options }
}

function parse (args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
        port: { type: 'string', short: 'p' },
        host: { type: 'string' },
        'check-config': { type: 'boolean' }
      }
    }).values
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]} (see symple-server --help)`)
  }
}

function portOf (text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65535) return port
  throw new UsageError(`--port must be a number from 0 to 65535, not ${JSON.stringify(text)}`)
}

/** The variables in force, as JSON, and what a server would warn of at its start. */
async function checkConfig (options: ServerOptions): Promise<Order> {
  const { variables, config } = await readOptions(options)
  const shown = SCHEMAS.flatMap(([name, { secret }]) => {
    const value = (variables as Record<string, unknown>)[name]
    return value === undefined ? [] : [[name, secret === true ? masked(String(value)) : value]]
  })
  return {
    print: `${JSON.stringify(Object.fromEntries(shown), null, 2)}\n`,
    warnings: config.undecided ? [...config.warnings, UNDECIDED] : config.warnings
  }
}

/** Of a URL, only what comes before the host is secret, and the query. */
function masked (value: string): string {
  const [, scheme, before, place, query] = /^([a-z-]+:\/\/)([^?]*@)?([^@?]*)(\?.*)?$/s.exec(value) ?? []
  if (scheme === undefined) return '***'
  return `${scheme}${before === undefined ? '' : '***@'}${place}${query === undefined ? '' : '?***'}`
}

function packageVersion (): string {
  return (createRequire(import.meta.url)('symple-server/package.json') as { version: string }).version
}

function helpText (): string {
  const lines = SCHEMAS.map(([name, { description, default: value }]) => {
    const initial = value === undefined || value === '' ? '' : ` [${String(value)}]`
    return `  ${name.padEnd(26)} ${description}${initial}`
  })
  return `Usage: symple-server [options]

A realtime messaging and presence server for the Symple v4 protocol.

  -p, --port <number>   Port to listen on; wins over PORT and SYMPLE_PORT.
      --host <address>  Address to listen on; wins over SYMPLE_HOST.
      --check-config    Print the variables in force as JSON, secrets masked, and exit: with 1 if they can't be honoured.
  -v, --version         Print the version and exit.
  -h, --help            Print this and exit.

It is configured by environment variables, and by a .env file in the working directory:

${lines.join('\n')}
`
}
