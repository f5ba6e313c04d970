import { settle, TestClient } from '../helper.js'
import { DEBUG, INFO, LOBBY, VAULT, type Attempt, type Scene, type Wanted } from './scene.js'

const dropped = (reason: string, more: object = {}) => ({ mallory }: Scene): Wanted =>
  ({ msg: 'dropped', level: DEBUG, peer: mallory.peer.id, reason, ...more })
const overridden = (...fields: string[]) => ({ mallory }: Scene): Wanted =>
  ({ msg: 'overridden', level: DEBUG, peer: mallory.peer.id, fields })
const refusedMessage = (reason: RegExp) => ({ mallory }: Scene): Wanted =>
  ({ msg: 'refused message', level: DEBUG, peer: mallory.peer.id, status: 400, reason })
const refused = (status: number, reason: RegExp, more: object = {}) => (): Wanted =>
  ({ msg: 'refused', level: INFO, host: '127.0.0.1', status, reason, ...more })

/** Sends one message, to whomever. */
const writes = (what: string, to: (scene: Scene) => unknown, log: Attempt['log'] = dropped('no_recipient')): Attempt =>
  ({ what: `writes to ${what}`, make: scene => { scene.mallory.send({ type: 'message', to: to(scene), data: 'x' }) }, log })

/** Sends text that must be handed on with the sender's own `from`, if at all. */
const spoofs = (what: string, text: (scene: Scene) => string): Attempt => ({
  what: `says that it is from another, by ${what}`,
  async make (scene) {
    const { mallory, carol, t } = scene
    mallory.send(text(scene))
    await settle(mallory, carol)
    const [frame] = carol.frames.filter(({ type }) => type !== 'error').slice(-1)
    t.equal(frame!.from, mallory.address, 'the message comes, with the sender\'s from')
  },
  log: overridden('from')
})

/** Joins a room that looks like that of the victims, and writes to theirs. */
const joins = (what: string, room: string): Attempt => ({
  what: `joins a room that looks like another's: ${what}`,
  make ({ mallory }) {
    mallory.send({ type: 'join', room })
    mallory.send({ type: 'message', to: [VAULT] })
    mallory.send({ type: 'message', to: VAULT })
  },
  log: dropped('not_member', { rooms: 1 })
})

/** Says of itself what it is not. @param data what presence says */
const claims = (what: string, data: (scene: Scene) => object, ...fields: string[]): Attempt => ({
  what: `publishes presence with ${what}`,
  make: scene => { scene.mallory.send({ type: 'presence', data: data(scene) }) },
  log: overridden(...fields)
})

/** Attempts where everybody is who he says he is. */
export const openAttempts: readonly Attempt[] = [
  spoofs('an address', ({ alice }) => `{"type":"message","from":"${alice.address}"}`),
  spoofs('a key that stands twice, first', ({ alice, mallory }) => `{"from":"${alice.address}","type":"message","from":"${mallory.address}x"}`),
  spoofs('a key that stands twice, last', ({ alice }) => `{"type":"message","from":"x","data":"from","from":"${alice.address}"}`),
  spoofs('a key in escapes', ({ alice }) => `{"type":"message","\\u0066rom":"${alice.address}"}`),
  spoofs('a key in escapes beside the plain one', ({ alice }) => `{"type":"message","from":"x","\\u0066rom":"${alice.address}"}`),
  spoofs('a value that is no string', ({ alice }) => `{"type":"message","from":{"id":"${alice.peer.id}","user":"alice"}}`),
  spoofs('null', () => '{"type":"message","from":null}'),
  spoofs('a value in escapes', () => '{"type":"event","from":"\\u0061lice|x"}'),
  spoofs('a bare id', ({ alice }) => `{"type":"command","from":"${alice.peer.id}"}`),
  spoofs('presence', ({ alice }) => `{"type":"presence","from":"${alice.address}"}`),
  spoofs('directed presence', ({ alice }) => `{"type":"presence","to":"carol","from":"${alice.address}","data":{"mood":"x"}}`),

  claims('the id of another', ({ alice }) => ({ id: alice.peer.id }), 'id'),
  claims('the user of another', () => ({ user: 'alice' }), 'user'),
  claims('another address', () => ({ host: '192.0.2.1' }), 'host'),
  claims('online: false', () => ({ online: false }), 'online'),
  claims('all of another', ({ alice }) => alice.peer, 'id', 'user'),
  claims('objects in place of names', ({ alice }) => ({ id: alice.peer, user: ['alice'], name: {}, online: 'false' }), 'id', 'user', 'name', 'online'),
  {
    what: 'says in auth that it is the peer of another, that has gone or not',
    async make (scene) {
      const { alice, t } = scene
      const guise = await scene.let({ type: 'auth', id: alice.peer.id, user: 'eve', rooms: [LOBBY], data: { id: alice.peer.id, user: 'alice', host: 'x', online: false } })
      t.not(guise.peer.id, alice.peer.id)
      t.match(guise.peer, { user: 'eve', online: true, host: '127.0.0.1' })
    },
    log: () => ({ msg: 'overridden', level: DEBUG, host: '127.0.0.1', fields: ['id', 'user', 'host', 'online'] })
  },
  {
    what: 'says auth once more, as another',
    async make ({ mallory, carol, t }) {
      mallory.send({ type: 'auth', user: 'alice', rooms: [VAULT] })
      mallory.send({ type: 'message', to: 'carol', data: 'who am I?' })
      t.equal((await carol.find('message')).from, mallory.address)
    },
    log: dropped('unknown_type')
  },
  {
    what: 'sends what only the server sends',
    make ({ mallory, alice }) {
      for (const type of ['welcome', 'error', 'join:ok', 'leave:ok', 'Message', ' message']) mallory.send({ type, to: alice.address, peer: alice.peer })
    },
    log: dropped('unknown_type')
  },

  writes('another\'s room', () => VAULT),
  writes('another\'s room, in an array', () => [VAULT], dropped('not_member', { rooms: 1 })),
  writes('many rooms, some of them its own', () => [VAULT, 'alice', LOBBY, 'bob'], dropped('not_member', { rooms: 3 })),
  writes('users of other rooms', () => 'alice'),
  writes('users of other rooms, in an array', () => ['alice', 'bob'], dropped('not_member', { rooms: 2 })),
  writes('an id that it knows or has guessed', ({ bob }) => bob.peer.id),
  writes('an address that it knows', ({ bob }) => bob.address),
  writes('ids in an array', ({ bob, alice }) => [bob.peer.id, alice.address], dropped('not_member', { rooms: 2 })),
  writes('the right id of the wrong user', ({ bob }) => `carol|${bob.peer.id}`),
  writes('the right id of itself', ({ bob }) => `mallory|${bob.peer.id}`),
  writes('the id of a visible peer as another user', ({ carol }) => `alice|${carol.peer.id}`),
  writes('an id without a user', ({ bob }) => `|${bob.peer.id}`),
  writes('a user without an id', () => 'alice|'),
  writes('an address with more behind it', ({ bob }) => `${bob.address}|x`),
  writes('an address with blanks', ({ bob }) => ` ${bob.address} `),
  writes('an address in capitals', ({ bob }) => bob.address.toUpperCase()),
  writes('an address with a NUL', ({ bob }) => `${bob.address}\0`),
  writes('the channel of backends', () => 'symple:broadcast'),
  writes('a place as nodes call it', () => `room:${VAULT}`),
  writes('everything', () => '*'),
  writes('an object', ({ bob }) => ({ id: bob.peer.id }), refusedMessage(/^to must be/)),
  writes('arrays in an array', () => [[VAULT]], refusedMessage(/^to must be/)),
  {
    what: 'probes who is in another\'s room',
    make ({ mallory }) {
      for (const to of [[VAULT], VAULT, 'alice']) mallory.send({ type: 'presence', probe: true, to })
    },
    log: dropped('not_member', { rooms: 1 })
  },

  {
    what: 'joins the personal room of another',
    make ({ mallory }) {
      mallory.send({ type: 'join', room: 'alice' })
      mallory.send({ type: 'message', to: 'alice' })
      mallory.send({ type: 'message', to: ['alice'] })
    },
    log: dropped('no_recipient')
  },
  {
    what: 'has the personal room of another among its rooms from the beginning',
    make: async scene => {
      const guise = await scene.let({ user: 'eve', rooms: ['alice', 'bob'] })
      guise.send({ type: 'message', to: ['alice', 'bob', VAULT] })
    },
    log: () => ({ msg: 'dropped', level: DEBUG, reason: 'not_member', rooms: 1 })
  },
  {
    what: 'joins rooms named by the ids of others',
    make ({ mallory, alice, bob }) {
      for (const { id } of [alice.peer, bob.peer]) mallory.send({ type: 'join', room: id })
      mallory.send({ type: 'message', to: bob.peer.id })
    },
    log: dropped('no_recipient')
  },
  {
    what: 'is a user named by the id of another',
    make: async scene => { await scene.let({ user: scene.bob.peer.id, rooms: [LOBBY, scene.bob.peer.id] }) },
    log: scene => ({ msg: 'online', level: INFO, user: scene.bob.peer.id, host: '127.0.0.1', rooms: 1 })
  },
  {
    what: 'joins a room named by the address of another',
    make: ({ mallory, alice }) => { mallory.send({ type: 'join', room: alice.address }) },
    log: refusedMessage(/^room must be/)
  },
  {
    what: 'is a user with the id of another in its name',
    make: async scene => { scene.t.equal(await scene.refused({ type: 'auth', user: scene.alice.address }), 4400) },
    log: refused(400, /^user must be/)
  },
  ...['alice\0', 'alice\n', '\u0085alice', 'alice\ud800'].map((user): Attempt => ({
    what: `is a user whose name looks like another's: ${JSON.stringify(user)}`,
    make: async scene => { scene.t.equal(await scene.refused(JSON.stringify({ type: 'auth', user })), 4400) },
    log: refused(400, /^user must be/)
  })),
  // Names that look alike are different names.
  ...['Alice', 'ALICE', ' alice', 'alice\u200b', '\uff41lice', '\u0430lice', '\u202ealice'].map((user): Attempt => ({
    what: `is a user whose name looks like another's: ${JSON.stringify(user)}`,
    async make (scene) {
      const guise = await scene.let({ user, rooms: [LOBBY] })
      guise.send({ type: 'message', to: 'alice' })
    },
    log: () => ({ msg: 'online', level: INFO, user, host: '127.0.0.1', rooms: 1 })
  })),
  joins('capitals', VAULT.toUpperCase()),
  joins('the accent as a character of its own', VAULT.normalize('NFD')),
  joins('without the accent', 'cafe'),
  joins('full width', '\uff43af\u00e9'),
  joins('a letter of another alphabet', 'c\u0430f\u00e9'),
  joins('a zero-width space', 'caf\u00e9\u200b'),
  joins('a blank', `${VAULT} `),
  joins('as nodes call it', `room:${VAULT}`),
  ...['', `${VAULT}\0`, 'a|b', '\ud800', 7, null, [VAULT], { room: VAULT }].map((room): Attempt => ({
    what: `joins what can be no room: ${JSON.stringify(room)}`,
    make: ({ mallory }) => { mallory.send({ type: 'join', room }) },
    log: refusedMessage(/^room must be/)
  })),

  {
    what: 'says that it comes from another address, where no proxy is trusted',
    make: async scene => {
      const guise = await scene.guise({ headers: { 'X-Forwarded-For': '192.0.2.1', Forwarded: 'for=192.0.2.1', 'X-Real-IP': '192.0.2.1' } })
      await guise.authenticate({ user: 'eve', rooms: [LOBBY], data: { host: '192.0.2.1' } })
      scene.t.equal(guise.peer.host, '127.0.0.1')
    },
    log: () => ({ msg: 'overridden', level: DEBUG, host: '127.0.0.1', fields: ['host'] })
  },
  ...['https://evil.example', 'null', 'https://good.example.evil.example', 'https://good.example:444', 'http://good.example', 'https://GOOD.example/x']
    .map((origin): Attempt => ({
      what: `comes from a page of another origin: ${origin}`,
      make: async ({ server, t }) => { await t.rejects(new TestClient(server.url, { origin }).opened(), { message: /403/ }) },
      log: refused(403, /Origin/, { origin })
    })),
  {
    what: 'sends what nodes say to each other',
    make ({ mallory, alice }) {
      const route = { kind: 'route', from: alice.peer.id, to: null, payload: 'x', version: 1 }
      mallory.send(route)
      mallory.send({ type: 'route', ...route })
      mallory.send(Buffer.concat([Buffer.of(1, 0, 0, 0, 9), Buffer.from(JSON.stringify(route))]))
    },
    log: refusedMessage(/^Frame is not valid JSON$/)
  }
]
