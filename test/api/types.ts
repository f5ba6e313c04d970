/**
 * What TypeScript must accept and refuse of those who use the package, by its name. It is checked by `npm run lint` and
 * never run.
 */
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import symple, {
  createServer, SympleError, type AuthenticateResult, type JsonObject, type NodeInfo, type PeerDetails, type PeersPage,
  type RoomsPage, type Server, type Symple, type SympleEvents, type SymplePluginOptions, type VirtualPeer
} from 'symple-server'
import {
  SympleConnection, type ConnectionEnd, type Fault, type Peer, type RosterChange, type Routed, type Welcome
} from 'symple-server/client'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

/** Does not compile where a value has another type than the one that is written. */
function expectType<T> () {
  return <U>(_value: U, ..._same: Equal<T, U> extends true ? [] : ['has another type']): void => {}
}

export async function plugin (gateway: FastifyInstance): Promise<void> {
  await gateway.register(symple)
  await gateway.register(symple, { prefix: '/a', maxMessageSize: 1, redis: true, env: false, logLevel: 'warn' })
  await gateway.register(symple, { decorator: 'other', redis: 'namespace', allowedOrigins: ['https://a.example'] })
  await Fastify().register(symple, { authenticate: async (_peer, { token }) => ({ allowed: token === 'x', rooms: ['a'] }) })
  // @ts-expect-error: a number
  await gateway.register(symple, { maxMessageSize: '1' })
  // @ts-expect-error: where to listen is the gateway's to say
  expectType<SymplePluginOptions>()({ port: 1 } satisfies SymplePluginOptions)
  // @ts-expect-error: there is no such option
  expectType<SymplePluginOptions>()({ maxMesageSize: 1 } satisfies SymplePluginOptions)
  expectType<Symple<FastifyRequest>>()(gateway.symple)
}

export async function server (): Promise<void> {
  expectType<Server>()(await createServer())
  const { app, listen, close } = await createServer({ port: 0, sslEnabled: true, trustProxy: ['10.0.0.0/8'], redis: false })
  expectType<Symple<FastifyRequest>>()(app.symple)
  expectType<string>()(await listen())
  expectType<void>()(await close())
  // @ts-expect-error: a server has no prefix
  await createServer({ prefix: '/a' })
  // @ts-expect-error: there is no registered client that could be meant
  await createServer({ redis: true })
}

export function hooks ({ symple }: FastifyInstance): void {
  symple.authenticate = (peer, auth, request) => {
    expectType<string | undefined>()(peer.user)
    expectType<string | undefined>()(auth.token)
    expectType<FastifyRequest>()(request)
    return { allowed: true, user: 'alice', name: 'Alice', rooms: ['a'], data: { role: 'admin' } }
  }
  symple.authenticate = async () => ({ allowed: false, message: 'No' })
  symple.authenticate = null
  // @ts-expect-error: it must say whether
  symple.authenticate = () => ({ rooms: ['a'] })
  // @ts-expect-error: a forgotten return
  symple.authenticate = () => {}
  expectType<AuthenticateResult['allowed']>()(true as boolean)

  symple.authorizeJoin = async (peer, room) => room === peer.user
  symple.authorizeJoin = () => ({ allowed: false, message: 'Full' })
  // @ts-expect-error: yes or no
  symple.authorizeJoin = () => 'yes'

  symple.authorizeMessage = (peer, message) => ({ ...message, to: [...peer.rooms] })
  symple.authorizeMessage = async (_peer, { type }) => type !== 'command'
  // @ts-expect-error: a boolean or an object
  symple.authorizeMessage = () => 1

  symple.onAuthorize = (socket, peer) => {
    expectType<PeerDetails>()(peer)
    socket.send({ type: 'event' })
    socket.disconnect('Enough')
    // @ts-expect-error: an object, not its text
    socket.send('{"type":"event"}')
  }
}

export async function service ({ symple }: FastifyInstance): Promise<void> {
  symple.on('online', peer => { expectType<PeerDetails>()(peer) })
  symple.on('join', (_peer, room) => { expectType<string>()(room) })
  symple.on('message', (_peer, message) => { expectType<JsonObject>()(message) })
  expectType<SympleEvents['leave']>()({} as [peer: PeerDetails, room: string])

  expectType<void>()(await symple.send('alice', { type: 'message' }))
  expectType<void>()(await symple.send(['a', 'b'] as const, { type: 'message' }))
  expectType<void>()(await symple.broadcast({ type: 'event' }))
  // @ts-expect-error: a name, or names
  await symple.send(1, { type: 'message' })
  // @ts-expect-error: an object
  await symple.broadcast('text')

  const page = await symple.peers({ room: 'a', user: 'alice', limit: 10 })
  expectType<PeersPage>()(page)
  await symple.peers({ cursor: page.cursor ?? undefined })
  expectType<RoomsPage>()(await symple.rooms())
  expectType<NodeInfo[]>()(await symple.nodes())
  expectType<PeerDetails | undefined>()(await symple.peer('alice|id'))
  expectType<boolean>()(await symple.join('id', 'a'))
  expectType<boolean>()(await symple.leave('id', 'a'))
  expectType<number>()(await symple.disconnect({ user: 'alice' }, 'Bye'))
  // @ts-expect-error: a view, for reading
  page.peers[0]!.name = 'Eve'
  symple.on('offline', peer => {
    // @ts-expect-error: so is this
    peer.user = 'eve'
  })

  const bot = await symple.addVirtualPeer({ user: 'bot', rooms: ['a'], data: { busy: false } }, async message => {
    expectType<string>()(message.type)
  })
  expectType<VirtualPeer>()(bot)
  expectType<boolean>()(bot.send({ type: 'message', to: 'alice' }))
  // @ts-expect-error: it has to be somebody
  await symple.addVirtualPeer({ name: 'Bot' }, () => {})
  expectType<number>()(new SympleError(400, 'No').status)
}

export async function client (): Promise<void> {
  const connection = new SympleConnection('ws://localhost', {
    user: 'alice', rooms: ['a'], data: { mood: 'sunny' }, token: async () => 'token'
  })
  const off = connection.on('message', frame => { expectType<Routed>()(frame) })
  expectType<() => void>()(off)
  connection.on('roster', change => { expectType<RosterChange>()(change) })
  connection.on('error', fault => { expectType<Fault>()(fault) })
  connection.on('end', end => { expectType<ConnectionEnd>()(end) })
  // @ts-expect-error: there is no such event
  connection.on('connect', () => {})
  expectType<Welcome>()(await connection.connect())
  expectType<ReadonlyMap<string, Peer>>()(connection.roster)
  expectType<boolean>()(connection.send({ type: 'message', to: 'bob', data: { text: 'hi' } }))
  expectType<void>()(await connection.join('b'))
  // @ts-expect-error: a frame has a type
  connection.send({ to: 'bob' })
  // @ts-expect-error: a room has a name
  await connection.join(1)
}
