import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { Validator } from '@seriousme/openapi-schema-validator'
import t from 'tap'
import WebSocket from 'ws'
import { openTabs, startBrowser } from '../browser/chromium.js'
import { connect, eventually, startServer, type TestClient } from '../helper.js'
import { callerOf, KEY, problemOf, twoNodes } from './caller.js'

const PAGE = readFileSync(new URL('../../docs/http-api.md', import.meta.url), 'utf8')

/** A command of the page, and what the page says that it prints, if it does. */
interface Example { script: string, output: string | null }

function examples (): Example[] {
  const blocks = [...PAGE.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text: text! }))
  return blocks.flatMap(({ language, text }, i) => {
    const next = blocks[i + 1]
    return language === 'sh' ? [{ script: text, output: next === undefined || next.language === 'sh' ? null : next.text }] : []
  })
}

/** Runs a script as a reader of the page does. */
async function shell (origin: string, script: string, env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-euc', script.replace('http://localhost:4500', origin)], {
    env: { PATH: process.env['PATH'], SYMPLE: origin, SYMPLE_API_KEY: KEY, ...env }
  })
  return stdout
}

/** An output, as far as it is the same for all who run it. */
function known (output: string): unknown {
  const text = output
    .replace(/\b[0-9a-f]{10}-[\w-]{22}/g, 'ID')
    .replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"TIME"')
    .replace(/"(id|node)": ?"[0-9a-f]{10}"/g, '"$1":"NODE"')
    .replace(/"host": ?"[^"]+"/g, '"host":"HOST"')
    .replace(/"pid": ?\d+/g, '"pid":"PID"')
  return /^[{[]/.test(text) ? JSON.parse(text) : text
}

t.test('the examples of the page do what it says', async t => {
  const { origin, url } = await startServer(t, { SYMPLE_API_KEY: KEY })
  const peers: Record<string, TestClient> = {}
  // Some examples send them away.
  const setScene = async () => {
    const auths = [
      { user: 'alice', name: 'Alice', rooms: ['a/b', 'lobby'], data: { status: 'busy' } }, { user: 'bob', rooms: ['lobby'] }
    ]
    for (const auth of auths) {
      if (peers[auth.user]?.ws.readyState !== WebSocket.OPEN) peers[auth.user] = await connect(t, url, auth)
    }
    await eventually(async () => /"lobby","members":2/.test((await callerOf(origin)('GET /api/rooms')).text), 'both')
  }
  let compared = 0
  for (const { script, output } of examples()) {
    // Whoever starts the server does this.
    if (script.startsWith('export SYMPLE_API_KEY=')) continue
    await setScene()
    const { alice, bob } = peers
    bob!.take()
    const printed = await shell(origin, script, { PEER: alice!.peer.id })
    t.not(printed, '', script)
    if (output !== null) {
      t.strictSame(known(printed), known(output), script)
      compared++
    }
    if (script.includes('Idempotency-Key')) {
      t.equal(printed, '{"accepted":1}{"accepted":1}')
      await bob!.barrier()
      t.strictSame(bob!.take().map(({ name }) => name), ['order:paid'])
    }
    if (script.includes('while')) t.match(printed, /"a\/b".*\n.*"lobby"/)
  }
  t.ok(compared >= 10)
})

t.test('curl alone emits to a room, and lists who is in it, on any node', async t => {
  const { nodes } = await twoNodes(t)
  const members = await Promise.all(nodes.map(async ({ url }, i) => await connect(t, url, { user: `user-${i}`, rooms: ['hall'] })))
  await connect(t, nodes[0]!.url, { user: 'outsider', rooms: ['elsewhere'] })
  const curl = (path: string, args = '') => `curl -sS "$SYMPLE/api/${path}" -H "Authorization: Bearer $SYMPLE_API_KEY" ${args}`
  for (const { origin } of nodes) {
    await eventually(async () => {
      const { peers } = JSON.parse(await shell(origin, curl('rooms/hall/peers'))) as { peers: Array<{ user: string }> }
      return peers.map(({ user }) => user).sort().join() === 'user-0,user-1'
    }, 'both in the list of a node')
    const body = JSON.stringify({ type: 'message', from: 'curl', to: 'hall', data: origin })
    t.equal(await shell(origin, curl('messages', `-H 'Content-Type: application/json' -d '${body}'`)), '{"accepted":1}')
    for (const member of members) {
      t.strictSame(await member.find('message'), { type: 'message', from: 'curl', to: 'hall', data: origin })
    }
  }
})

interface Operation {
  operationId: string
  requestBody?: object
  responses: Record<string, { content?: Record<string, unknown> }>
}

interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: object, securitySchemes: object }
}

t.test('the OpenAPI document is valid, and complete', async t => {
  const { origin } = await startServer(t, { SYMPLE_API_KEY: KEY })
  const { text } = await callerOf(origin)('GET /api/docs/json', { key: null })
  const document = JSON.parse(text) as Document
  const { valid, errors } = await new Validator().validate(JSON.parse(text) as Record<string, unknown>)
  t.equal(valid, true, JSON.stringify(errors))
  t.equal(document.openapi, '3.1.0')
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ request: `${method.toUpperCase()} ${path}`, operation })))
  t.strictSame(operations.map(({ request }) => request).sort(), [
    'DELETE /api/peers/{id}', 'DELETE /api/peers/{id}/rooms/{room}', 'GET /api/nodes', 'GET /api/peers', 'GET /api/peers/{id}',
    'GET /api/rooms', 'GET /api/rooms/{room}/peers', 'GET /api/users/{user}/peers', 'POST /api/messages',
    'POST /api/users/{user}/disconnect', 'PUT /api/peers/{id}/rooms/{room}'
  ])
  t.equal(new Set(operations.map(({ operation }) => operation.operationId)).size, operations.length)
  t.strictSame(document.components.securitySchemes, { bearer: { type: 'http', scheme: 'bearer' } })
  t.strictSame(Object.keys(document.components.schemas).sort(), [
    'Message', 'Node', 'Nodes', 'Peer', 'PeerDetails', 'Peers', 'Problem', 'Room', 'Rooms'
  ])
  const { requestBody } = operations.find(({ request }) => request === 'POST /api/users/{user}/disconnect')!.operation
  t.match(requestBody, { content: { 'application/json': { schema: { additionalProperties: false } } } })
  for (const { request, operation } of operations) {
    // Where no body is described, none is taken.
    t.equal(operation.requestBody !== undefined, request.startsWith('POST'), request)
    t.notMatch(JSON.stringify(operation), /Default Response/, request)
    for (const [status, { content }] of Object.entries(operation.responses)) {
      const type = Number(status) >= 400 ? ['application/problem+json'] : status === '204' ? [] : ['application/json']
      t.strictSame(Object.keys(content ?? {}), type, `${request} ${status}`)
    }
    // Each is on the page for people, too.
    t.ok(PAGE.includes(request) || PAGE.includes(`\`${request}\``), request)
  }
})

t.test('the OpenAPI document says what a key to the console does not open', async t => {
  const key = `${KEY}-console`
  const { origin } = await startServer(t, { SYMPLE_API_KEY: KEY, SYMPLE_CONSOLE_KEY: key })
  const call = callerOf(origin)
  const { paths } = (await call('GET /api/docs/json', { key: null })).body as Document
  const refused: string[] = []
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      const request = `${method.toUpperCase()} ${path.replace(/\{\w+\}/g, 'x')}`
      const { status } = await call(request, { key })
      t.equal(status === 403, '403' in responses, request)
      if (status === 403) refused.push(request)
    }
  }
  t.strictSame(refused.sort(), ['DELETE /api/peers/x/rooms/x', 'POST /api/messages', 'PUT /api/peers/x/rooms/x'])
})

t.test('the page for people works in a browser, offline, under its policy', async t => {
  const { origin } = await startServer(t, { SYMPLE_API_KEY: KEY })
  const call = callerOf(origin)
  const bare = await call('GET /api/docs', { key: null })
  t.match([bare.status, bare.headers.get('location')], [302, 'docs/'])
  problemOf(t, await call('GET /api/docs/nope', { key: null }), 404)

  const browser = await startBrowser(t)
  const tabs = await openTabs(t, browser)
  const hosts = new Set<string>()
  const page = await tabs.open(`${origin}/api/docs`)
  page.on('request', request => { hosts.add(new URL(request.url()).host) })
  await page.reload()
  await page.getByText('List ordinary rooms').click()
  await page.getByRole('button', { name: 'Authorize' }).click()
  await page.getByRole('textbox', { name: 'auth-bearer-value' }).fill(KEY)
  await page.getByRole('button', { name: 'Apply credentials' }).click()
  await page.getByRole('button', { name: 'Close' }).last().click()
  await page.getByRole('button', { name: 'Try it out' }).click()
  await page.getByRole('button', { name: 'Execute' }).click()
  await page.getByText('"cursor": null').first().waitFor()
  t.strictSame([...hosts], [new URL(origin).host])
  t.strictSame(tabs.complaints, [])
})
