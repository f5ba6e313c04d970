import t from 'tap'
import { PacketNumbers } from '../../src/backplane/redis/numbers.js'

t.test('numbers the packets to each node by itself, from 1', async t => {
  const numbers = new PacketNumbers()
  t.strictSame(['a', 'a', 'b', 'a'].map(node => numbers.next(node)), [1, 2, 1, 3])
})

t.test('takes each packet once, and knows where some are missing', async t => {
  const numbers = new PacketNumbers()
  const take = (number: number) => numbers.take('a', number)
  t.strictSame([1, 2, 2, 1, 2].map(take), ['in order', 'in order', 'again', 'behind a gap', 'in order'], '1 begins anew')
  t.strictSame([9, 4, 10].map(take), ['behind a gap', 'again', 'in order'])
  t.equal(numbers.lastOf('a'), 10)
  t.strictSame([numbers.lastOf('b'), numbers.take('b', 5), numbers.lastOf('b')], [0, 'behind a gap', 5])
  t.strictSame([2 ** 31, 2 ** 32 - 1, 1].map(take), ['behind a gap', 'behind a gap', 'in order'], 'it comes round')
})

t.test('what is far behind is no repetition: a node has begun anew, and its first packets were lost', async t => {
  const numbers = new PacketNumbers()
  numbers.take('a', 300)
  t.strictSame([45, 44].map(number => numbers.take('a', number)), ['again', 'behind a gap'])
})

t.test('goes on with a node that seemed to have ended, and begins anew with one that has', async t => {
  const numbers = new PacketNumbers()
  for (const node of ['lost', 'ended']) {
    numbers.next(node)
    numbers.take(node, 1)
  }
  numbers.giveUp('lost')
  numbers.forget('ended')
  t.strictSame([numbers.next('lost'), numbers.lastOf('lost')], [2, 1])
  t.strictSame([numbers.next('ended'), numbers.lastOf('ended')], [1, 0])
})

t.test('keeps the numbers of a thousand nodes that seem to have ended, those that did so last', async t => {
  const numbers = new PacketNumbers()
  const nodes = Array.from({ length: 1001 }, (_, i) => `node-${i}`)
  for (const node of [...nodes, 'there']) numbers.next(node)
  for (const node of nodes.slice(0, 1000)) numbers.giveUp(node)
  numbers.giveUp(nodes[0]!)
  numbers.giveUp(nodes[1000]!)
  t.strictSame([nodes[0]!, nodes[1]!, nodes[2]!, 'there'].map(node => numbers.next(node)), [2, 1, 2, 2])
})
