import type * as OpenTelemetry from '@opentelemetry/api'
import type { Link, Span } from '@opentelemetry/api'
import fp from 'fastify-plugin'
import { SympleError } from '../src/core/errors.js'
import type { JsonObject } from '../src/core/json.js'
import type { Details, Tracer } from '../src/core/tracer.js'
import { ConfigError } from './config-error.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined: nothing is traced. */
    tracer: Tracer | undefined
  }
}

/** Decorates the instance with what makes spans of authentications and messages, if that is wanted. */
export default fp(async (fastify) => {
  fastify.decorate('tracer', fastify.config.tracing ? new SpanTracer(await loadApi()) : undefined)
}, { name: 'symple-tracing', fastify: '5.x', dependencies: ['symple-config'] })

/** Only who wants traces needs the package; whoever runs the server brings the SDK that takes the spans. */
async function loadApi (): Promise<typeof OpenTelemetry> {
  try {
    return await import('@opentelemetry/api')
  } catch (cause) {
    throw new ConfigError('SYMPLE_TRACING is on, but @opentelemetry/api is not installed', { cause })
  }
}

/** A tracer that makes a span of each thing that it follows. Which are kept, the sampler of the SDK decides. */
class SpanTracer implements Tracer {
  readonly #api: typeof OpenTelemetry
  readonly #tracer: OpenTelemetry.Tracer

  constructor (api: typeof OpenTelemetry) {
    this.#api = api
    this.#tracer = api.trace.getTracer('symple-server')
  }

  trace<T> (name: string, details: Details, work: (tell: (details: Details) => void) => T, origin?: JsonObject): T {
    const options = {
      kind: this.#api.SpanKind.SERVER,
      attributes: named(details),
      links: this.#linksTo(origin),
      // What is active here, if anything, is the upgrade: long done.
      root: true
    }
    return this.#tracer.startActiveSpan(`symple ${name}`, options, span => this.#follow(span, work))
  }

  #follow<T> (span: Span, work: (tell: (details: Details) => void) => T): T {
    try {
      const result = work(details => { span.setAttributes(named(details)) })
      if (!(result instanceof Promise)) {
        span.end()
        return result
      }
      return result.then(
        (value: unknown) => {
          span.end()
          return value
        },
        (error: unknown) => { throw this.#failed(span, error) }
      ) as T
    } catch (error) {
      throw this.#failed(span, error)
    }
  }

  /** What a client does wrong is no fault of the server. */
  #failed (span: Span, error: unknown): unknown {
    const status = error instanceof SympleError ? error.status : 500
    span.setAttribute('symple.status', status)
    if (status >= 500) {
      span.recordException(error as Error)
      span.setStatus({ code: this.#api.SpanStatusCode.ERROR })
    }
    span.end()
    return error
  }

  /** A link, not a parent: a client does not decide what is sampled here. */
  #linksTo (origin: JsonObject | undefined): Link[] {
    if (origin === undefined || !('traceparent' in origin)) return []
    const context = this.#api.trace.getSpanContext(this.#api.propagation.extract(this.#api.ROOT_CONTEXT, origin))
    return context === undefined ? [] : [{ context }]
  }
}

function named (details: Details): Record<string, string | number> {
  return Object.fromEntries(Object.entries(details).map(([name, value]) => [`symple.${name}`, value]))
}
