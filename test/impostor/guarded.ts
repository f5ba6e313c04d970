import { encodeEntry, encodePacket } from '../../src/core/envelope.js'
import { encodeRecord } from '../../src/core/remote.js'
import { publication } from '../cluster/publication.js'
import { DEBUG, INFO, LOBBY, VAULT, WARN, type Attempt, type Scene, type Wanted } from './scene.js'

export const tokenOf = (user: string) => `T0K3N-${user}`

/** The session that a backend has written for a user. */
export const sessionOf = (user: string, room: string) =>
  ({ user, name: user.toUpperCase(), rooms: [room], type: 'guest', data: { role: 'reader' }, secret: 'private' })

const refused = (reason: RegExp) => (): Wanted => ({ msg: 'refused', level: INFO, host: '127.0.0.1', status: 401, reason })

/** Comes with a token, and more. */
const comes = (what: string, auth: object, reason: RegExp): Attempt => ({
  what: `comes with ${what}`,
  make: async scene => { scene.t.equal(await scene.refused({ type: 'auth', ...auth }), 4401) },
  log: refused(reason)
})

/** Somebody who can write to Redis, but is no node, speaks to the node. */
const publishes = (what: string, packet: (scene: Scene) => Buffer, log: Attempt['log']): Attempt => ({
  what: `publishes ${what} as a node that there is not`,
  async make (scene) {
    const [node] = scene.alice.peer.id.split('-')
    scene.t.equal(await scene.backend!.publish(`symple:inbox:${node!}`, packet(scene)), 1)
  },
  log
})

const payload = Buffer.from(JSON.stringify({ type: 'message', from: 'alice|x', data: 'forged' }))

/** Attempts where sessions say who is who, and rooms can't be joined. */
export const guardedAttempts: readonly Attempt[] = [
  comes('no token', { user: 'alice' }, /^Token required$/),
  comes('an empty token', { user: 'alice', token: '' }, /^Token required$/),
  comes('a token that is none', { user: 'alice', token: 'guess' }, /^Invalid token$/),
  comes('the name of a key', { token: `symple:session:${tokenOf('alice')}` }, /^Invalid token$/),
  comes('a way to another key', { token: `../session:${tokenOf('alice')}` }, /^Invalid token$/),
  comes('a pattern', { token: 'T0K3N-*' }, /^Invalid token$/),
  comes('a token in capitals', { token: tokenOf('alice').toLowerCase() }, /^Invalid token$/),
  comes('a token and a NUL', { token: `${tokenOf('alice')}\0` }, /^Invalid token$/),
  comes('a command behind a token', { token: `${tokenOf('alice')}\r\nFLUSHALL\r\n` }, /^Invalid token$/),
  comes('another\'s token, as itself', { user: 'mallory', token: tokenOf('alice') }, /^Token is not this user's$/),
  comes('its own token, as another', { user: 'alice', token: tokenOf('mallory') }, /^Token is not this user's$/),
  comes('its own token, as itself in capitals', { user: 'Mallory', token: tokenOf('mallory') }, /^Token is not this user's$/),
  {
    what: 'comes with the key of something else',
    async make (scene) {
      await scene.backend!.hset(`symple:session:${tokenOf('hash')}`, 'user', 'alice')
      scene.t.equal(await scene.refused({ type: 'auth', token: tokenOf('hash') }), 4401)
    },
    log: () => ({ msg: 'authentication failed', level: WARN, host: '127.0.0.1' })
  },
  {
    what: 'comes with a token that is no text',
    make: async scene => { scene.t.equal(await scene.refused({ type: 'auth', token: { toString: tokenOf('alice') } }), 4400) },
    log: () => ({ msg: 'refused', level: INFO, host: '127.0.0.1', status: 400, reason: /^token must be/ })
  },
  {
    what: 'comes again with a token after the logout, and stays with it',
    async make (scene) {
      const { backend, t } = scene
      const token = tokenOf('eve')
      await backend!.set(`symple:session:${token}`, JSON.stringify(sessionOf('eve', LOBBY)))
      const guise = await scene.let({ token })
      await backend!.del(`symple:session:${token}`)
      t.equal(await scene.refused({ type: 'auth', token }), 4401, 'at once')
      t.equal((await guise.closed).code, 4401, 'and soon')
    },
    log: () => ({ msg: 'revoked', level: INFO, host: '127.0.0.1', status: 401, reason: 'Session ended' })
  },
  {
    what: 'comes with rooms that its session does not give it',
    async make (scene) {
      const guise = await scene.guise()
      const { rooms } = await guise.authenticate({ token: tokenOf('mallory'), rooms: [VAULT, 'alice', LOBBY] })
      scene.t.strictSame(rooms, ['mallory', LOBBY])
    },
    log: () => ({ msg: 'overridden', level: DEBUG, host: '127.0.0.1', fields: ['rooms'] })
  },
  {
    what: 'says in auth what its session says otherwise',
    async make (scene) {
      const data = { role: 'admin', type: 'operator', name: 'Alice', secret: 'x', token: tokenOf('alice') }
      const guise = await scene.let({ token: tokenOf('mallory'), name: 'Alice', data })
      scene.t.match(guise.peer, { user: 'mallory', name: 'MALLORY', type: 'guest', role: 'reader' })
      scene.t.notOk('token' in guise.peer)
    },
    log: () => ({ msg: 'overridden', level: DEBUG, fields: ['role', 'type', 'name'] })
  },
  {
    what: 'publishes what its session says otherwise',
    async make ({ mallory, carol, t }) {
      mallory.send({ type: 'presence', token: tokenOf('alice'), data: { role: 'admin', type: 'operator', name: 'Alice', token: 'x' } })
      const { data, token } = await carol.find('presence')
      t.match(data, { user: 'mallory', name: 'MALLORY', type: 'guest', role: 'reader' })
      t.notOk('token' in (data as object) || token !== undefined, 'no token is handed on')
    },
    log: ({ mallory }) => ({ msg: 'overridden', level: DEBUG, peer: mallory.peer.id, fields: ['role', 'type', 'name'] })
  },
  {
    what: 'joins another\'s room',
    async make ({ mallory, t }) {
      mallory.send({ type: 'join', room: VAULT })
      t.match(await mallory.find('error'), { status: 400 })
    },
    log: ({ mallory }) => ({ msg: 'refused message', level: DEBUG, peer: mallory.peer.id, status: 400, reason: 'Dynamic rooms disabled' })
  },
  {
    what: 'says auth once more, with another\'s token',
    async make ({ mallory, carol, t }) {
      mallory.send({ type: 'auth', token: tokenOf('alice') })
      t.match(await mallory.find('error'), { status: 401 })
      mallory.send({ type: 'message', to: 'carol' })
      t.equal((await carol.find('message')).from, mallory.address)
    },
    log: ({ mallory }) => ({ msg: 'refresh refused', level: INFO, peer: mallory.peer.id, status: 401 })
  },
  {
    what: 'brings its token along wherever there is room for it',
    async make (scene) {
      const token = tokenOf('mallory')
      const { server, mallory, t } = scene
      const guise = await scene.guise({ headers: { Authorization: `Bearer ${token}`, Cookie: `token=${token}` } })
      const welcome = await guise.authenticate({ token, data: { token, nested: 'x' } })
      t.notMatch(JSON.stringify(welcome), token)
      mallory.send({ type: 'message', to: token, token })
      t.notMatch(await (await fetch(`${server.origin}/metrics?token=${token}`)).text(), token)
      t.notMatch(await (await fetch(`${server.origin}/${token}?token=${token}`)).text(), token)
      await t.rejects(fetch(`${server.url.replace('ws', 'http')}?token=${token}`, { headers: { Connection: 'upgrade', Upgrade: 'x' } }))
    },
    log: ({ mallory }) => ({ msg: 'dropped', level: DEBUG, peer: mallory.peer.id, reason: 'no_recipient' })
  },

  publishes('a packet of another version', () => publication('forged', 1, Buffer.concat([Buffer.of(2), encodeEntry({ kind: 'ask', place: 'room:x' })])),
    () => ({ msg: 'ignored what another node said', level: DEBUG, what: 'packet', node: 'forged' })),
  publishes('half a packet', () => publication('forged', 1, encodePacket([encodeEntry({ kind: 'ask', place: 'room:x' })]).subarray(0, -3)),
    () => ({ msg: 'ignored what another node said', level: DEBUG, what: 'packet', node: 'forged' })),
  publishes('a client\'s frame', () => Buffer.from('{"type":"message","to":"alice"}'),
    () => ({ msg: 'ignored what another node said', level: DEBUG, what: 'packet' })),
  publishes('a message of a peer that there is not', ({ alice }) =>
    publication('forged', 1, encodePacket([encodeEntry({ kind: 'route', from: 'forged-x', to: alice.peer.id, payload })])),
  () => ({ msg: 'dropped', level: DEBUG, node: 'forged', reason: 'unknown_sender' })),
  publishes('a message of a peer of the node itself', ({ alice }) =>
    publication('forged', 1, encodePacket([encodeEntry({ kind: 'route', from: alice.peer.id, to: [VAULT], payload })])),
  () => ({ msg: 'dropped', level: DEBUG, node: 'forged', reason: 'unknown_sender' })),
  publishes('a record that is another peer\'s', ({ alice }) => {
    const record = encodeRecord({ version: 9, moves: 0, data: { id: 'other', user: 'alice', online: true } })
    return publication('forged', 1, encodePacket([encodeEntry({ kind: 'enter', places: [`room:${VAULT}`], member: { id: alice.peer.id, record } })]))
  }, () => ({ msg: 'ignored what another node said', level: DEBUG, what: 'record' })),
  {
    what: 'emits what makes no sense',
    async make ({ backend }) {
      for (const text of ['{"to":"alice","data":', '["alice"]', '{"to":"alice"}', '{"type":"message","to":{"user":"alice"}}']) {
        await backend!.publish('symple:broadcast', text)
      }
    },
    log: () => ({ msg: 'malformed emission', level: WARN, reason: /its to/ })
  }
]
