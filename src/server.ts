#!/usr/bin/env node
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { ConfigError } from '../plugins/config.js'
import { createServer } from './create-server.js'

/** Seconds that a shutdown may take beside the drain. */
const GRACE = 5

/** Milliseconds that closing may take when all peers are gone: a client may stop in the middle of its TLS handshake. */
const CLOSE_TIMEOUT = 1500

let server: FastifyInstance | null = null

// Before anything else: as PID 1 a process gets no signal for which it has no listener.
const signals = closeWithGrace({ delay: false, logger: false }, async ({ err, signal }) => {
  if (server === null) return
  const { log, symple, config } = server
  if (err !== undefined) log.fatal({ err }, 'unexpected error')
  else log.info({ signal }, 'shutting down')
  setTimeout(() => { process.exit(1) }, (config.drainSeconds + GRACE) * 1000).unref()
  // Before `close`, which ends plain HTTP: probes are answered while peers are drained.
  await symple.drain(config.drainSeconds)
  await Promise.race([server.close(), delay(CLOSE_TIMEOUT)])
})

try {
  server = await createServer()
  const { host, port } = server.config
  await server.listen({ host, port, backlog: 4096 })
  if (server.playground !== null) server.log.info(`Playground: open ${addressOf(server)} in two tabs`)
} catch (error) {
  signals.uninstall()
  process.stderr.write(`symple-server: ${explain(error)}\n`)
  process.exit(1)
}

/** Where a browser on this machine finds the server. */
function addressOf ({ config, server }: FastifyInstance): string {
  const { port } = server.address() as AddressInfo
  const own = ['0.0.0.0', '127.0.0.1', '::', '::1', 'localhost'].includes(config.host)
  const host = own ? 'localhost' : config.host.includes(':') ? `[${config.host}]` : config.host
  return `http${config.tls === undefined ? '' : 's'}://${host}:${port}${config.path}`
}

function explain (error: unknown): string {
  if (error instanceof ConfigError) return error.message
  const { syscall, message, stack } = error as NodeJS.ErrnoException
  if (syscall === 'listen' || syscall === 'getaddrinfo') return `${message} (see SYMPLE_HOST, PORT and SYMPLE_PORT)`
  return stack ?? message
}
