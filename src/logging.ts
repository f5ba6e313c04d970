import type { FastifyRequest } from 'fastify'
import type { DestinationStream, LoggerOptions } from 'pino'
import { LineWriter } from './line-writer.js'

/** Standard output, as soon as something is logged. */
let stdout: LineWriter | null = null

/** Where a token could stand in what is logged. */
const SECRETS = [
  'token', '*.token', 'req.headers.authorization', 'req.headers.cookie', 'req.headers["sec-websocket-protocol"]',
  // What Node could not parse as HTTP, byte for byte; what Redis was asked.
  'err.rawPacket', 'err.command', 'err.previousErrors'
]

/**
 * Options of pino: JSON lines, without tokens. A terminal gets them readable where pino-pretty is installed.
 *
 * Lines are gathered and written together. What is left at the end of the process, an uncaught error's too, is written
 * then; only who kills the process loses the last lines, or who does not read them.
 *
 * @param level least level that is logged
 */
export function loggerOptions (level: string): LoggerOptions & { stream?: DestinationStream } {
  const pretty = process.stdout.isTTY && isInstalled('pino-pretty')
  return {
    level,
    redact: { paths: SECRETS, censor: '[redacted]' },
    serializers: { req: serializeRequest },
    ...pretty ? { transport: { target: 'pino-pretty' } } : { stream: openStdout() }
  }
}

function openStdout (): LineWriter {
  if (stdout !== null) return stdout
  const writer = stdout = new LineWriter(1)
  process.on('exit', () => { writer.flushSync() })
  return writer
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
