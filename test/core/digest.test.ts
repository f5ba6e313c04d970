import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { digestOf } from '../../src/core/digest.js'
import { seed } from '../seed.js'

const member = fc.record({ id: fc.string({ unit: 'binary' }), version: fc.nat({ max: 2 ** 31 }) })
const members = fc.uniqueArray(member, { selector: ({ id }) => id, maxLength: 30 })

t.test('is the same for the same members in whatever order', async () => {
  fc.assert(fc.property(members, fc.infiniteStream(fc.nat()), (members, keys) => {
    const keyed = members.map(member => [keys.next().value, member] as const)
    const shuffled = keyed.sort(([a], [b]) => a - b).map(([, member]) => member)
    assert.equal(digestOf(shuffled), digestOf(members))
    assert.equal(digestOf(new Set(shuffled)), digestOf(members))
  }), { seed })
})

t.test('is another for members of whom one is missing, new, another or of another version', async () => {
  fc.assert(fc.property(members, member, (members, one) => {
    fc.pre(members.every(({ id }) => id !== one.id))
    const digests = [
      members,
      [...members, one],
      [...members, { ...one, version: one.version + 1 }],
      [...members, { ...one, id: `${one.id}-` }]
    ].map(digestOf)
    assert.equal(new Set(digests).size, digests.length)
  }), { seed })
})

t.test('tells versions of one member apart, a great many of them', async t => {
  const digests = new Set(Array.from({ length: 10_000 }, (_, version) => digestOf([{ id: 'a', version }])))
  t.equal(digests.size, 10_000)
})

t.test('tells two members that swap their versions apart', async t => {
  const swapped = [{ id: 'a', version: 1 }, { id: 'b', version: 2 }]
  t.not(digestOf([{ id: 'a', version: 2 }, { id: 'b', version: 1 }]), digestOf(swapped))
})

t.test('is short, and that of nobody the same always', async t => {
  t.equal(digestOf([]), digestOf(new Set()))
  const many = Array.from({ length: 1000 }, (_, i) => ({ id: 'x'.repeat(i), version: i }))
  t.ok(digestOf(many).length <= 12, digestOf(many))
})
