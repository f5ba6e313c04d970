import t from 'tap'
import { RosterModel } from '../roster-model.js'
import { Random, seed } from '../seed.js'
import { Couriers, startMemoryNodes, startNodes } from './cast.js'

/** How many walks there are of each kind, each with a seed of its own. */
const WALKS = 4

t.test('tells each client of three nodes exactly whom it sees, step by step', async t => {
  const { urls } = await startNodes(t, 3)
  const couriers = await Couriers.start(t, urls)
  await new RosterModel(t, urls, seed, { quiet: () => couriers.run() }).run(120, 1)
})

t.test('tells each client of three nodes exactly whom it sees at rest, however they race', async t => {
  for (let i = 0; i < WALKS; i++) {
    await t.test(`seed ${seed} + ${i}`, async t => {
      const { urls } = await startNodes(t, 3)
      const couriers = await Couriers.start(t, urls)
      await new RosterModel(t, urls, seed + i, { racing: true, quiet: () => couriers.run() }).run(900, 30)
    })
  }
})

t.test('tells each client exactly whom it sees when nodes that were cut off are back', async t => {
  for (let i = 0; i < WALKS; i++) {
    await t.test(`seed ${seed} + ${i}`, async t => {
      const { urls, backplanes } = await startMemoryNodes(t, 3)
      const couriers = await Couriers.start(t, urls)
      const toggle = (random: Random): string | undefined => {
        if (!random.oneIn(5)) return undefined
        const node = random.below(backplanes.length)
        const backplane = backplanes[node]!
        if (backplane.connected) backplane.disconnect()
        else backplane.reconnect()
        return `${node} is ${backplane.connected ? 'back' : 'cut off'}`
      }
      const calm = () => {
        for (const backplane of backplanes) {
          if (!backplane.connected) backplane.reconnect()
        }
      }
      const quiet = () => couriers.run()
      await new RosterModel(t, urls, seed + i, { racing: true, disturb: toggle, calm, quiet }).run(900, 30)
    })
  }
})
