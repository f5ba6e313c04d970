#!/usr/bin/env node
import type { AddressInfo } from 'node:net'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { ConfigError } from '../plugins/config.js'
import { readCommandLine, UsageError } from './command-line.js'
import { assemble, type Assembly } from './create-server.js'

/** Seconds that a shutdown may take beside the drain. */
const GRACE = 5

let running: Assembly | null = null

// Before anything else: as PID 1 a process gets no signal for which it has no listener.
const signals = closeWithGrace({ delay: false, logger: false }, async ({ err, signal }) => {
  if (running === null) return
  const { server, scope: { log, config } } = running
  if (err !== undefined) log.fatal({ err }, 'unexpected error')
  else log.info({ signal }, 'shutting down')
  setTimeout(() => { process.exit(1) }, (config.drainSeconds + GRACE) * 1000).unref()
  await server.close()
})

try {
  const order = await readCommandLine(process.argv.slice(2))
  if ('print' in order) {
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
  process.exit(error instanceof UsageError ? 2 : 1)
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
