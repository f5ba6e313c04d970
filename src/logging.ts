import type { FastifyRequest } from 'fastify'
import { destination, type DestinationStream, type LoggerOptions } from 'pino'

/** Bytes of lines that are written together: a write for each would be a seventh of what a connection costs. */
const BUFFERED = 16_000

/** Milliseconds that a line waits for others at most. */
const FLUSH_INTERVAL = 100

/** Where a token could stand in what is logged. */
const SECRETS = [
  'token', '*.token', 'req.headers.authorization', 'req.headers.cookie', 'req.headers["sec-websocket-protocol"]',
  // What Node could not parse as HTTP, byte for byte; what Redis was asked.
  'err.rawPacket', 'err.command', 'err.previousErrors'
]

/**
 * Options of pino: JSON lines, without tokens. A terminal gets them readable where pino-pretty is installed.
 *
 * Lines are gathered and written together. What is left at the end of the process, an uncaught error's too, pino writes
 * then; only who kills the process loses the last lines.
 *
 * @param level least level that is logged
 */
export function loggerOptions (level: string): LoggerOptions & { stream?: DestinationStream } {
  const pretty = process.stdout.isTTY && isInstalled('pino-pretty')
  return {
    level,
    redact: { paths: SECRETS, censor: '[redacted]' },
    serializers: { req: serializeRequest },
    ...pretty ? { transport: { target: 'pino-pretty' } } : { stream: gather() }
  }
}

/** Lines, gathered as bytes: as text, all that wait would be gone through with each that joins them. */
function gather (): DestinationStream & Pick<ReturnType<typeof destination>, 'flush' | 'flushSync'> {
  const stream = destination({
    dest: 1, sync: false, contentMode: 'buffer', minLength: BUFFERED, periodicFlush: FLUSH_INTERVAL
  })
  // The types know of text only.
  const bytes = stream as unknown as { write (line: Buffer): boolean }
  return {
    write: line => { bytes.write(Buffer.from(line)) },
    flush: done => { stream.flush(done) },
    flushSync: () => { stream.flushSync() }
  }
}

function serializeRequest (request: FastifyRequest): object {
  return { method: request.method, url: redactUrl(request.url), host: request.host, remoteAddress: request.ip }
}

/** Query strings end up in logs; what they hold is nobody's business. */
function redactUrl (url: string): string {
  return url.replace(/([?&][^=&]*(?:token|key|secret|password|session)[^=&]*=)[^&]*/gi, '$1[redacted]')
}

function isInstalled (name: string): boolean {
  try {
    import.meta.resolve(name)
    return true
  } catch {
    return false
  }
}
