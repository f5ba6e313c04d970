import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { schema } from '../plugins/schema.js'
import type { VariableSchema } from '../plugins/settings.js'

const VARIABLES = Object.entries<VariableSchema>(schema.properties)
const NAMES = VARIABLES.map(([name]) => name).sort()

const read = (name: string) => readFileSync(fileURLToPath(new URL(`../${name}`, import.meta.url)), 'utf8')

t.test('.env.example', async t => {
  const lines = read('.env.example').split('\n')
  const assignments = lines.filter(line => /^#?[A-Z_]+=/.test(line))

  t.test('names each variable of the schema, and no other', async t => {
    t.strictSame(assignments.map(line => line.replace(/^#|=.*/g, '')).sort(), NAMES)
  })

  t.test('sets none', async t => {
    t.strictSame(lines.filter(line => line !== '' && !line.startsWith('#')), [])
  })

  t.test('says on the line above each what it means and its default', async t => {
    for (const [i, line] of lines.entries()) {
      if (!assignments.includes(line)) continue
      t.match(lines[i - 1], /^# .+ Default: .+\.$/, line)
    }
  })

  for (const [name, { default: value }] of VARIABLES) {
    t.test(`has the default of ${name}`, async t => {
      const i = lines.findIndex(line => line.startsWith(`#${name}=`))
      if (value !== undefined) t.equal(lines[i], `#${name}=${String(value)}`)
      const said = value === undefined ? 'not set' : String(value) || 'empty'
      t.match(lines[i - 1], new RegExp(` Default: ${said}[.,;]`))
    })
  }
})

t.test('docs/configuration.md', async t => {
  const rows = [...read('docs/configuration.md').matchAll(/^\| `(\w+)` \| (.*?) \|/gm)]

  t.test('has each variable of the schema in one of its tables, and no other', async t => {
    t.strictSame(rows.map(([, name]) => name).sort(), NAMES)
  })

  t.test('has the defaults of the schema', async t => {
    for (const [name, { default: value }] of VARIABLES) {
      const [, , cell] = rows.find(([, other]) => other === name) ?? []
      t.equal(cell, value === undefined || value === '' ? '–' : `\`${String(value)}\``, name)
    }
  })
})

t.test('no page names a variable that does not exist', async t => {
  const text = ['PROTOCOL.md', 'README.md', 'CONTRIBUTING.md', 'docs/operations.md', 'docs/deployment.md'].map(read).join('\n')
  const named = new Set([...text.matchAll(/\bSYMPLE_[A-Z_]*[A-Z]\b/g)].map(([name]) => name))
  t.ok(named.size > 10)
  t.strictSame([...named].filter(name => !NAMES.includes(name)), [])
})
