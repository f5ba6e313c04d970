import t from 'tap'
import { connect, open, settle, startServer } from './helper.js'

t.test('welcomes a client with its peer and its rooms', async t => {
  const { url } = await startServer(t)
  const alice = await open(t, url)
  const welcome = await alice.authenticate({ user: 'alice', name: 'Alice', rooms: ['lobby'] })
  t.match(welcome, {
    type: 'welcome',
    protocol: 'symple/4',
    status: 200,
    peer: { user: 'alice', name: 'Alice', online: true, host: '127.0.0.1' },
    rooms: ['alice', 'lobby']
  })
  const bob = await connect(t, url, { user: 'bob', rooms: ['lobby'] })
  await settle(alice, bob)
  t.strictSame(Object.keys(bob.roster), [alice.address])
})
