import fc from 'fast-check'

/** What the fuzzer calls things by. */
export interface Names {
  /** Whom clients of the fuzzer may be, and where. */
  users: readonly string[]
  rooms: readonly string[]
  /** Tokens of sessions, one for each of the users. */
  tokens: readonly string[]
  /** Whom they must not reach: users, rooms, ids, addresses. */
  targets: readonly string[]
}

/** A member of an object as text: a key may stand twice, or be spelled in escapes, and a value need not be JSON. */
type Member = readonly [key: string, value: string]

const json = (value: unknown): string => JSON.stringify(value)

const nested = fc.tuple(
  fc.constantFrom(['[', ']'], ['{"a":', '}'], ['[{"a":', '}]'], ['[', '']), fc.integer({ min: 1, max: 7000 })
).map(([[open, close], depth]) => `${open!.repeat(depth)}${open!.endsWith(':') ? '0' : ''}${close!.repeat(depth)}`)

/** Values that parsers, objects and names stumble over. */
const odd: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    'null', 'true', '0', '-0', '1e999', '-1e999', '1e-999', '9007199254740993', '123456789012345678901234567890', '0.1e+1',
    '""', '" "', '"|"', '"a|b"', '"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udfff\\ud800"', '"\\ufeff"', '"\ufeffx"', '"\u2028"', '"\u202e"',
    '"__proto__"', '"constructor"', '"toString"', '"hasOwnProperty"', '[]', '{}', '[""]', '[null]', '[["lobby"]]', '{"length":1}',
    '{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', '{"toJSON":1}', '{"id":"x","user":"x","online":false,"host":"x"}',
    'undefined', 'NaN', 'Infinity', '01', '.5', '+1', "'x'", '"\\x41"', '"\\u12"', '"', '[1,]', '{"a":1,}', '/**/1', '\u00001'
  ),
  fc.jsonValue({ maxDepth: 3 }).map(json),
  fc.string({ unit: 'binary' }).map(json),
  nested,
  fc.integer({ min: 250, max: 70_000 }).map(length => json('x'.repeat(length))),
  fc.integer({ min: 1, max: 15_000 }).map(length => json(Array.from({ length }, (_, i) => `r${i}`)))
)

const oddKey = fc.constantFrom(
  '__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'toJSON', 'hasOwnProperty', '', 'TYPE', 'Type', ' type', 'type\\u0000',
  '\\u0074ype', '\\u0066rom', 'from', 'fro\\u006d', 'to', 'id', 'token', 'probe', 'data', 'rooms', 'room', 'status', 'peer', '\\ud800'
)

/** Frames of clients with mistakes in them, as bytes that need not be UTF-8. */
export function messageOf (names: Names): fc.Arbitrary<Buffer> {
  const one = (from: readonly string[]) => fc.constantFrom(...from).map(json)
  const { users, rooms, tokens, targets } = names
  const to = fc.oneof(
    one([...users, ...rooms, ...targets]),
    fc.array(fc.constantFrom(...users, ...rooms, ...targets), { maxLength: 6 }).map(json),
    fc.tuple(fc.constantFrom(...users), fc.constantFrom(...targets)).map(([user, target]) => json(`${user}|${target}`)),
    odd
  )
  const data = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }).map(json), fc.constantFrom('{"status":"away"}', `{"token":"${tokens[0]!}"}`), odd
  )
  const valid = (members: Record<string, fc.Arbitrary<string>>): fc.Arbitrary<Member[]> =>
    fc.record(members, { requiredKeys: ['type'] }).map(record => Object.entries(record) as Array<[string, string]>)
  const id = fc.constantFrom('"a1"', '1', 'null')
  const from = one([...users, ...targets])
  const base: fc.Arbitrary<Member[]> = fc.oneof(
    { weight: 4, arbitrary: valid({ type: one(['message', 'command', 'event']), to, data, id, from }) },
    { weight: 3, arbitrary: valid({ type: one(['presence']), to, data, probe: fc.constant('true'), from }) },
    { weight: 3, arbitrary: valid({ type: one(['join', 'leave']), room: one(rooms), id }) },
    { weight: 2, arbitrary: authMembers(names) },
    { weight: 2, arbitrary: valid({ type: one(['close']), id }) },
    { weight: 1, arbitrary: valid({ type: one(['welcome', 'error', 'nonsense', '', 'join:ok', 'toString']), id }) }
  )
  return base.chain(members => fc.oneof(
    { weight: 1, arbitrary: fc.constant(text(members)) },
    { weight: 5, arbitrary: mutated(members) }
  )).chain(text => damaged(Buffer.from(text)))
}

/** A first frame that is right. */
export function authOf (names: Names): fc.Arbitrary<Buffer> {
  return authMembers(names).map(members => Buffer.from(text(members)))
}

function authMembers ({ users, rooms, tokens }: Names): fc.Arbitrary<Member[]> {
  return fc.record({
    who: fc.nat({ max: users.length - 1 }),
    rooms: fc.subarray([...rooms]),
    data: fc.option(fc.constantFrom('{}', '{"mood":"sunny"}'))
  }).map(({ who, rooms, data }): Member[] => [
    ['type', '"auth"'],
    ['user', json(users[who])],
    ['token', json(tokens[who])],
    ['rooms', json(rooms)],
    ...(data === null ? [] : [['data', data] as const])
  ])
}

const text = (members: readonly Member[]): string => `{${members.map(([key, value]) => `"${key}":${value}`).join(',')}}`

type Step = (all: Member[]) => Member[]

/** The same with one or some members wrong, doubled, missing, or more of them. */
function mutated (members: readonly Member[]): fc.Arbitrary<string> {
  const at = fc.nat({ max: members.length - 1 })
  const step = fc.oneof(
    fc.tuple(at, odd).map(([at, value]): Step => all => all.map(([key, old], i) => [key, i === at ? value : old])),
    fc.tuple(oddKey, odd).map((member): Step => all => [...all, member]),
    fc.tuple(oddKey, odd).map((member): Step => all => [member, ...all]),
    at.map((at): Step => all => all.filter((_, i) => i !== at)),
    at.map((at): Step => all => [...all, ...all.slice(at, at + 1)])
  )
  return fc.array(step, { minLength: 1, maxLength: 3 })
    .map(steps => text(steps.reduce((all, step) => step(all), [...members])))
}

/** The same, mostly as it is; else with bytes that are wrong, missing or too many. */
function damaged (bytes: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: bytes.length })
  const some = fc.uint8Array({ minLength: 1, maxLength: 4 })
  const cut = at.map(end => bytes.subarray(0, end))
  const more = fc.tuple(at, some).map(([at, some]) => Buffer.concat([bytes.subarray(0, at), some, bytes.subarray(at)]))
  const other = fc.tuple(at, some).map(([at, [mask = 0]]) =>
    Buffer.from(bytes.map((byte, i) => i === at ? byte ^ mask : byte)))
  const before = fc.constantFrom('\ufeff', ' ', '\n', '\0').map(text => Buffer.concat([Buffer.from(text), bytes]))
  return fc.oneof({ weight: 6, arbitrary: fc.constant(bytes) }, cut, more, other, before)
}
