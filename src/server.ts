#!/usr/bin/env node
import { setTimeout } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import { ConfigError } from '../plugins/config.js'
import { createServer } from './create-server.js'

/** Seconds that a shutdown may take beside the drain. */
const GRACE = 5

/** Milliseconds that closing may take when all peers are gone: a client may stop in the middle of its TLS handshake. */
const CLOSE_TIMEOUT = 1500

try {
  const server = await createServer()
  const { config } = server
  closeWithGrace({ delay: (config.drainSeconds + GRACE) * 1000, logger: server.log }, async ({ err, signal }) => {
    if (err !== undefined) server.log.fatal({ err }, 'unexpected error')
    else server.log.info({ signal }, 'shutting down')
    // Before `close`, which ends plain HTTP: probes are answered while peers are drained.
    await server.symple.drain(config.drainSeconds)
    await Promise.race([server.close(), setTimeout(CLOSE_TIMEOUT)])
  })
  await server.listen({ host: config.host, port: config.port, backlog: 4096 })
} catch (error) {
  process.stderr.write(`symple-server: ${explain(error)}\n`)
  process.exit(1)
}

function explain (error: unknown): string {
  if (error instanceof ConfigError) return error.message
  const { syscall, message, stack } = error as NodeJS.ErrnoException
  if (syscall === 'listen' || syscall === 'getaddrinfo') return `${message} (see SYMPLE_HOST, PORT and SYMPLE_PORT)`
  return stack ?? message
}
