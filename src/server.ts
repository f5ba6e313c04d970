#!/usr/bin/env node
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { isatty } from 'node:tty'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { ConfigError } from '../plugins/config.js'
import { readCommandLine, UsageError } from './command-line.js'
import { assemble, type Assembly } from './create-server.js'

/** Seconds that a shutdown may take beside the drain. */
const GRACE = 5

/** Where the terminal is in which the server runs, if it runs in one; it ends with it. */
const terminals = [1, 2].filter(fd => isatty(fd))

/** SIGHUP says something else; SIGUSR2 is for Node's own reports; from the others there is no way back. */
const NOT_TO_END_BY = [
  'SIGHUP', 'SIGUSR2', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP'
] as const

let running: Assembly | null = null
let ending = false

// Before anything else: as PID 1 a process gets no signal for which it has no listener.
const signals = closeWithGrace({ delay: false, logger: false, skip: [...NOT_TO_END_BY] }, async ({ err, signal }) => {
  if (running === null) return
  const { server, scope: { log, config } } = running
  if (err !== undefined) log.fatal({ err }, 'unexpected error')
  else log.info({ signal }, 'shutting down')
  setTimeout(() => { process.exit(1) }, (config.drainSeconds + GRACE) * 1000).unref()
  await server.close()
})

// Node takes back what nohup has set: without a listener, the signal would end the process at once.
process.on('SIGHUP', signal => {
  const hungUp = terminals.length > 0 && !terminals.some(fd => isatty(fd))
  if (!hungUp) running?.scope.certificate?.renew()
  // It may come twice, from the shell and from the system; a second SIGTERM would not wait for the first.
  else if (!ending) process.emit('SIGTERM', signal)
  ending ||= hungUp
})

try {
  const order = await readCommandLine(process.argv.slice(2))
  if ('print' in order) {
    for (const warning of order.warnings ?? []) process.stderr.write(`symple-server: warning: ${warning}\n`)
    process.stdout.write(order.print)
    signals.uninstall()
  } else {
    running = await assemble(order.options)
    const { server, scope } = running
    await server.listen()
    if (scope.playground !== null) scope.log.info(`Playground: open ${addressOf(scope)} in two tabs`)
  }
} catch (error) {
  signals.uninstall()
  process.stderr.write(`symple-server: ${explain(error)}\n`)
  await leave()
  process.exit(error instanceof UsageError ? 2 : 1)
}

/** Other nodes know of a server that could not listen: without a goodbye, they would take it for one that crashed. */
async function leave (): Promise<void> {
  if (running === null || running.scope.config.redis === undefined) return
  await Promise.race([running.server.app.close().catch(() => {}), delay(GRACE * 1000)])
}

/** Where a browser on this machine finds the server. */
function addressOf ({ config, server }: FastifyInstance): string {
  const { port } = server.address() as AddressInfo
  const own = ['0.0.0.0', '127.0.0.1', '::', '::1', 'localhost'].includes(config.host)
  const host = own ? 'localhost' : config.host.includes(':') ? `[${config.host}]` : config.host
  return `http${config.tls === undefined ? '' : 's'}://${host}:${port}${config.path}`
}

function explain (error: unknown): string {
  if (error instanceof ConfigError || error instanceof UsageError) return error.message
  const { syscall, message, stack } = error as NodeJS.ErrnoException
  if (syscall === 'listen' || syscall === 'getaddrinfo') return `${message} (see SYMPLE_HOST, PORT and SYMPLE_PORT)`
  return stack ?? message
}
