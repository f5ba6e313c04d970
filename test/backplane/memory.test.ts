import t from 'tap'
import { MemoryBackplane, MemoryNetwork } from '../../src/backplane/memory.js'
import { Node, testBackplane } from './contract.js'

testBackplane(t, async () => {
  const network = new MemoryNetwork()
  const backplanes: MemoryBackplane[] = []
  return {
    async create () {
      const backplane = new MemoryBackplane(network)
      backplanes.push(backplane)
      return backplane
    },
    async cut () {
      for (const backplane of backplanes) backplane.disconnect()
    },
    async mend () {
      for (const backplane of backplanes) backplane.reconnect()
    }
  }
})

t.test('is alone until there is another', async t => {
  const network = new MemoryNetwork()
  const nodes: Node[] = []
  const first = new Node(new MemoryBackplane(network), nodes)
  await first.backplane.start(first)
  t.equal(first.backplane.alone, true)
  const second = new Node(new MemoryBackplane(network), nodes)
  await second.backplane.start(second)
  t.equal(first.backplane.alone, false)
  await second.backplane.stop()
  t.equal(first.backplane.alone, true)
})
