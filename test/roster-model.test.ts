import t from 'tap'
import { startServer } from './helper.js'
import { RosterModel } from './roster-model.js'
import { seed } from './seed.js'

t.test('tells each client exactly whom it sees, step by step', async t => {
  const { url } = await startServer(t, { SYMPLE_RATE_LIMIT: '0' })
  await new RosterModel(t, [url], seed).run(250, 1)
})

t.test('tells each client exactly whom it sees when it comes to rest, whatever happens at once', async t => {
  const { url } = await startServer(t, { SYMPLE_RATE_LIMIT: '0' })
  await new RosterModel(t, [url], seed).run(1200, 30)
})
