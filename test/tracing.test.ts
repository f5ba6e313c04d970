import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan
} from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import { SympleError } from '../src/core/errors.js'
import { connect, settle, startServer, TestClient } from './helper.js'
import { run, temporaryFolder } from './process.js'

// What whoever runs the server brings along.
const exporter = new InMemorySpanExporter()
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Takes the spans that are there. */
function takeSpans (): ReadableSpan[] {
  const spans = exporter.getFinishedSpans()
  exporter.reset()
  return spans
}

t.beforeEach(() => { exporter.reset() })

t.test('without SYMPLE_TRACING nothing is traced', async t => {
  const { server, url } = await startServer(t)
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'] })
  alice.send({ type: 'message', to: ['lobby'], data: 'hello' })
  await alice.barrier()
  t.equal(server.tracer, undefined)
  t.strictSame(takeSpans(), [])
})

t.test('a span for each authentication and each message, with how many got it, and nothing that is private', async t => {
  const { url } = await startServer(t, { SYMPLE_TRACING: 'true' })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  const alice = await connect(t, url, { user: 'alice', rooms: ['lobby'], token: 's3cr3t', data: { phone: 's3cr3t' } })
  await settle(alice, bob)
  takeSpans()

  await connect(t, url, { user: 'carol', token: 's3cr3t', data: { phone: 's3cr3t' } })
  alice.send({ type: 'message', to: ['lobby'], data: 's3cr3t' })
  alice.send({ type: 'join', room: 'den' })
  alice.send({ type: 's3cr3t' })
  await alice.find('join:ok')
  await bob.find('message')
  alice.send({ type: 'message', to: '' })
  await alice.find('error')

  const spans = takeSpans()
  t.strictSame(spans.map(({ name }) => name),
    ['symple authenticate', 'symple message', 'symple join', 'symple unknown', 'symple message'])
  t.strictSame(spans.map(({ attributes }) => attributes['symple.recipients']), [undefined, 1, 0, 0, undefined])
  t.match(spans[1]!.attributes, { 'symple.user': 'alice', 'symple.peer': alice.peer.id })
  t.equal(spans[4]!.attributes['symple.status'], 400)
  t.equal(spans[4]!.status.code, SpanStatusCode.UNSET, 'what a client does wrong is no fault of the server')
  t.strictSame(spans.map(({ parentSpanContext }) => parentSpanContext), spans.map(() => undefined))
  const told = spans.map(({ name, attributes, events }) => ({ name, attributes, events }))
  t.notMatch(JSON.stringify(told), 's3cr3t')
})

t.test('a message that carries a trace is linked to it, and decides nothing', async t => {
  const { url } = await startServer(t, { SYMPLE_TRACING: 'true' })
  const alice = await connect(t, url, { user: 'alice' })
  takeSpans()
  const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
  alice.send({ type: 'message', to: 'bob', traceparent: `00-${traceId}-${spanId}-01` })
  for (const traceparent of ['nonsense', 7, null, {}]) alice.send({ type: 'message', to: 'bob', traceparent })
  await alice.barrier()
  const [linked, ...others] = takeSpans()
  t.match(linked!.links, [{ context: { traceId, spanId } }])
  t.not(linked!.spanContext().traceId, traceId)
  t.strictSame(others.map(({ links }) => links), others.map(() => []))
})

t.test('what takes time is followed to its end, and what it begins belongs to it', async t => {
  const { server } = await startServer(t, { SYMPLE_TRACING: 'true' })
  const tracer = server.tracer!
  const answer = await tracer.trace('authenticate', {}, async () => {
    await new Promise(resolve => setImmediate(resolve))
    trace.getTracer('redis').startSpan('GET').end()
    return 'granted'
  })
  t.equal(answer, 'granted')
  const [inner, outer] = takeSpans()
  t.strictSame([inner!.name, outer!.name], ['GET', 'symple authenticate'])
  t.equal(inner!.parentSpanContext!.spanId, outer!.spanContext().spanId)

  const refused = new SympleError(401, 'Invalid token')
  const broken = new SympleError(503, 'Sessions unavailable')
  const bug = new TypeError('a bug')
  for (const error of [refused, broken, bug]) {
    await t.rejects(tracer.trace('authenticate', {}, async () => { throw error }), error)
    t.throws(() => tracer.trace('message', {}, () => { throw error }), error)
  }
  const { UNSET, ERROR } = SpanStatusCode
  t.strictSame(takeSpans().map(({ status }) => status.code), [UNSET, UNSET, ERROR, ERROR, ERROR, ERROR])
})

t.test('clients notice nothing of it', async t => {
  const { url } = await startServer(t, { SYMPLE_TRACING: 'true', SYMPLE_AUTH_TIMEOUT: '5' })
  const client = new TestClient(url)
  await client.opened()
  client.send({ type: 'auth' })
  t.match(await client.find('error'), { status: 400 })
  t.equal((await client.closed).code, 4400)
})

t.test('without the package, SYMPLE_TRACING stops the process with one line that names it', async t => {
  const folder = temporaryFolder(t)
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  mkdirSync(join(folder, 'node_modules'))
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@opentelemetry') symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name))
  }
  const start = (tracing: string) => run(t, process.execPath, ['dist/src/server.js'], {
    SYMPLE_HOST: '127.0.0.1', SYMPLE_PORT: '0', SYMPLE_TRACING: tracing
  }, folder)
  const server = start('true')
  t.strictSame(await server.exited, { code: 1, signal: null })
  t.equal(server.stderr, 'symple-server: SYMPLE_TRACING is on, but @opentelemetry/api is not installed\n')
  await start('false').logged(({ msg }) => msg.startsWith('Server listening'), 'a server that needs no traces')
})
